//! Saves the table as rules, to standard output or to a file.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
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
    let before = present(path)?;
    let path = before.as_ref().map_or(path, |(path, _)| path);
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut new = Builder::new();
    if before.is_none() {
        // The process's umask applies, as to any new file.
        new.permissions(Permissions::from_mode(0o666));
    }
    let mut file = new.tempfile_in(folder)?;
    if let Some((_, before)) = &before {
        // Until here nobody else could open it.
        std::os::unix::fs::fchown(file.as_file(), Some(before.uid()), Some(before.gid()))?;
        file.as_file().set_permissions(before.permissions())?;
    }
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    // It is replaced, whether or not the folder can be read, and written to the disk now.
    let _ = File::open(folder).and_then(|folder| folder.sync_all());
    Ok(())
}

/// The file that is there, by the path that a link leads to, for that is what is replaced; nothing if there is none.
fn present(path: &Path) -> io::Result<Option<(PathBuf, Metadata)>> {
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => regular(metadata?)?,
    };
    // As a shell opens it for `>`: so the kernel refuses what somebody else has put into a folder such as /tmp.
    let mut options = File::options();
    let file = options.write(true).create(true).truncate(false).custom_flags(libc::O_NONBLOCK).open(path)?;
    let opened = regular(file.metadata()?)?;
    let path = fs::canonicalize(path)?;
    let there = fs::symlink_metadata(&path)?;
    if (there.dev(), there.ino()) != (opened.dev(), opened.ino()) {
        return Err(io::Error::other("somebody else replaces it at this moment"));
    }
    Ok(Some((path, opened)))
}

fn regular(metadata: Metadata) -> io::Result<Metadata> {
    if metadata.is_file() { Ok(metadata) } else { Err(io::Error::other("it is there and no regular file")) }
}
