//! Saves the table as rules, to standard output or to a file.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use ipvs_core::{Client, Command};
use tempfile::Builder;

use crate::Failure;
use crate::line::Line;
use crate::names::Names;
use crate::table::{self, Reading, Table};

/// Writes the table as rules.
pub(crate) fn write(numeric: bool, client: &Client, names: &Names, output: &mut impl Write) -> Result<(), Failure> {
    let reading = Reading { numeric, sorted: true, counted: false };
    let Table { services, names } = table::read(None, reading, client, names)?;
    let mut line = Line::default();
    for service in services {
        let service = service?;
        let id = service.entry.service.id;
        line.rule(&Command::AddService(service.entry.service), names).end(output)?;
        for entry in service.destinations {
            line.rule(&Command::AddDestination(id, entry.destination), names).end(output)?;
        }
    }
    Ok(())
}

/// Writes the table as rules to a file that has them all or is as it was, whatever happens.
pub(crate) fn write_file(numeric: bool, client: &Client, names: &Names, path: &str) -> Result<(), Failure> {
    let mut rules = Vec::new();
    write(numeric, client, names, &mut rules)?;
    replace(path.as_ref(), &rules).map_err(|error| Failure::File(path.to_owned(), error))
}

/// Puts these bytes in the place of a file's, which keeps its owner and permissions. It is never there in part: they are
/// written beside it, and to the disk, before the name is theirs.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a link names is replaced, not the link.
    let path: PathBuf = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        path => path?,
    };
    let before = match fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        metadata => Some(metadata?),
    };
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        return Err(io::Error::other("it is there and no regular file"));
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    // The process's umask applies, as to any new file.
    let mut file = Builder::new().permissions(fs::Permissions::from_mode(0o666)).tempfile_in(folder)?;
    if let Some(before) = before {
        std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid()))?;
        file.as_file().set_permissions(before.permissions())?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    fs::File::open(folder)?.sync_all()
}
