//! `ipvsadm-restore`.

fn main() -> std::process::ExitCode {
    ipvs_cli::main(ipvs_cli::Program::Restore)
}
