//! `ipvsadm`.

#![cfg_attr(target_env = "gnu", no_main)]

ipvs_cli::program!(Ipvsadm);
