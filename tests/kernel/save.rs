//! `ipvsadm-save`, and `--output`: a file that has all of the table or is as it was.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};

use crate::namespace::{Namespace, built, run};

const RULES: &str = "-A -t 10.0.0.1:80 -s rr\n-a -t 10.0.0.1:80 -r 192.168.1.10:80 -m -w 1\n";

fn save(arguments: &[&str]) -> crate::namespace::Ran {
    run(built("ipvsadm-save"), arguments)
}

fn director() -> Namespace {
    let namespace = Namespace::enter();
    namespace.debian("-A -t 10.0.0.1:80 -s rr").success();
    namespace.debian("-a -t 10.0.0.1:80 -r 192.168.1.10 -m").success();
    namespace
}

#[test]
fn a_file_is_replaced_and_keeps_its_permissions() {
    let _namespace = director();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules");
    let name = path.to_str().unwrap();
    assert_eq!(save(&["-n"]).success(), RULES);
    assert_eq!(save(&["-n", "--output", name]).success(), "");
    assert_eq!(fs::read_to_string(&path).unwrap(), RULES);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);

    fs::write(&path, "older and longer\n".repeat(100)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&path, Some(7), Some(8)).unwrap();
    let link = folder.path().join("link");
    symlink("rules", &link).unwrap();
    run(built("ipvsadm"), ["-S", "-n", "--output", link.to_str().unwrap()]).success();
    assert_eq!(fs::read_to_string(&path).unwrap(), RULES);
    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.permissions().mode() & 0o777, after.uid(), after.gid()), (0o640, 7, 8));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    // Without a folder in its name it is in the working directory.
    let in_the_folder =
        format!("cd {} && {} -n --output here", folder.path().display(), built("ipvsadm-save").display());
    run("sh", ["-c", &in_the_folder]).success();
    assert_eq!(fs::read_to_string(folder.path().join("here")).unwrap(), RULES);
}

#[test]
fn what_cannot_be_written_leaves_all_as_it_was() {
    let namespace = director();
    let folder = tempfile::tempdir().unwrap();
    run("mount", ["-t", "tmpfs", "-o", "size=4k", "none", folder.path().to_str().unwrap()]).success();
    let path = folder.path().join("rules");
    let name = path.to_str().unwrap();
    fs::write(&path, "older\n").unwrap();
    for port in 1..100 {
        namespace.ours(&format!("-A -u 10.0.0.1:{port}")).success();
    }
    let ran = save(&["-n", "--output", name]);
    assert_eq!(ran.status, Some(255), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1);
    assert!(ran.stderr.starts_with(&format!("ipvsadm-save: cannot write '{name}': ")), "{ran:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "older\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    run("umount", [folder.path()]).success();

    for wrong in ["/dev/null", "/dev", "/nonexistent/rules", ""] {
        let ran = save(&["--output", wrong]);
        assert_eq!(ran.status, Some(255), "{wrong}: {ran:?}");
        assert!(ran.stderr.starts_with(&format!("ipvsadm-save: cannot write '{wrong}': ")), "{ran:?}");
    }
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
    let full = run("sh", ["-c", &format!("{} -Sn > /dev/full", built("ipvsadm").display())]);
    assert_eq!((full.status, full.stderr.lines().count()), (Some(255), 1), "{full:?}");
}

/// As little as a shell's `>` does, where the kernel guards it.
#[test]
fn what_somebody_else_has_put_into_a_folder_for_all_is_not_written_to() {
    let _namespace = director();
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o1777)).unwrap();
    // The guest's own, and Debian's way.
    fs::write("/proc/sys/fs/protected_symlinks", "1").unwrap();
    fs::write("/proc/sys/fs/protected_regular", "2").unwrap();
    let (somebody, victim) = (65534, elsewhere.path().join("victim"));
    fs::write(&victim, "older\n").unwrap();
    for (name, to) in [("link", victim.clone()), ("dangling", elsewhere.path().join("new"))] {
        symlink(to, folder.path().join(name)).unwrap();
        lchown(folder.path().join(name), Some(somebody), Some(somebody)).unwrap();
    }
    fs::write(folder.path().join("file"), "theirs\n").unwrap();
    lchown(folder.path().join("file"), Some(somebody), Some(somebody)).unwrap();
    for name in ["link", "dangling", "file"] {
        let path = folder.path().join(name).display().to_string();
        assert_ne!(run("sh", ["-c", &format!("echo > {path}")]).status, Some(0), "{path}");
        let ran = save(&["-n", "--output", &path]);
        assert_eq!(ran.status, Some(255), "{ran:?}");
        assert_eq!(ran.stderr, format!("ipvsadm-save: cannot write '{path}': Permission denied\n"));
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "older\n");
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "theirs\n");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    // Root's own are.
    symlink(&victim, folder.path().join("own")).unwrap();
    save(&["-n", "--output", folder.path().join("own").to_str().unwrap()]).success();
    assert_eq!(fs::read_to_string(&victim).unwrap(), RULES);
}

#[test]
fn what_only_root_may_read_nobody_can_open_while_it_is_written() {
    let _namespace = director();
    let folder = tempfile::tempdir().unwrap();
    let (path, log) = (folder.path().join("rules"), folder.path().join("log"));
    fs::write(&path, "older\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let program = built("ipvsadm-save");
    let strace = ["--trace=openat", "--output", log.to_str().unwrap(), program.to_str().unwrap()];
    run("/usr/bin/strace", strace.into_iter().chain(["-n", "--output", path.to_str().unwrap()])).success();
    let opened = fs::read_to_string(log).unwrap();
    let new: Vec<&str> = opened.lines().filter(|line| line.contains("O_EXCL")).collect();
    assert!(new.len() == 1 && new[0].contains(", 0600) = "), "{opened}");
    assert_eq!(fs::read_to_string(&path).unwrap(), RULES);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn its_arguments_are_checked_as_debian_s_are() {
    let namespace = director();
    for wrong in ["-x", "-C", "--nosuch"] {
        let debian = run("/usr/sbin/ipvsadm-save", [wrong]);
        assert_eq!((debian.status, save(&[wrong]).status), (Some(1), Some(1)), "{wrong}");
    }
    assert_eq!(namespace.witness().len(), 2);
    assert!(save(&["--help"]).success().contains("ipvsadm-save [-n] [--output FILE]"));
    assert!(save(&["-v"]).success().starts_with("ipvsadm-save 0."));
}

#[test]
fn another_namespace_is_saved_and_changed() {
    let namespace = director();
    let name = namespace.name();
    let elsewhere = Namespace::enter();
    assert_eq!(save(&["-n", "--netns", name]).success(), RULES);
    elsewhere.ours(&format!("-A -t 10.0.0.2:80 -s rr --netns {name} --wait 2.5")).success();
    assert!(elsewhere.witness().is_empty());
    assert_eq!(elsewhere.ours(&format!("-Ln --netns /run/netns/{name}")).success().lines().count(), 6);
    for (line, said) in
        [("-L --netns nosuch", "the network namespace 'nosuch' cannot be entered"), ("-L -c --netns nosuch", "nosuch")]
    {
        let ran = elsewhere.ours(line);
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn a_pipe_in_the_place_of_a_namespace_is_not_waited_for() {
    let _namespace = Namespace::enter();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    run("mkfifo", [&pipe]).success();
    let ran = run(
        "timeout",
        ["10".as_ref(), built("ipvsadm").as_os_str(), "-Ln".as_ref(), "--netns".as_ref(), pipe.as_os_str()],
    );
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("pipe' cannot be entered: Invalid argument"), "{ran:?}");
}
