//! `ipvsadm`.

fn main() -> std::process::ExitCode {
    ipvs_cli::main(ipvs_cli::Program::Ipvsadm)
}
