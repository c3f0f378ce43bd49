//! The units and sockets of systemd in `etc/` start what there is, on the addresses that are the defaults.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proxy::settings::{Cluster, Proxy};

fn read(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../etc")
        .join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The value of `key`, which stands there once.
#[track_caller]
fn value<'a>(unit: &'a str, key: &str) -> &'a str {
    let mut values = unit
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    match (values.next(), values.next()) {
        (Some(value), None) => value,
        _ => panic!("{key} does not stand once in:\n{unit}"),
    }
}

#[test]
fn each_part_has_a_unit_and_a_socket_at_its_default_address() {
    let cluster = Cluster::default();
    let proxy = Proxy::default().listen.to_string();
    let parts = BTreeMap::from([
        ("stobj", ("serve", proxy.as_str())),
        ("stobj-proxy", ("proxy", proxy.as_str())),
        (
            "stobj-object-server",
            ("object-server", cluster.object_server.as_str()),
        ),
        (
            "stobj-account-server",
            ("account-server", cluster.account_server.as_str()),
        ),
    ]);
    for (unit, (part, address)) in parts {
        let service = read(&format!("{unit}.service"));
        let starts = format!("/usr/bin/stobj {part} --config /etc/stobj/stobj.toml --data /var/lib/stobj");
        assert_eq!(value(&service, "ExecStart"), starts, "{unit}");
        assert!(service.contains(&format!("{unit}.socket")), "{unit}");
        assert_eq!(value(&read(&format!("{unit}.socket")), "ListenStream"), address);
    }
}

#[test]
fn the_units_end_no_server_before_it_has_drained() {
    let drain = Proxy::default().drain_timeout.0;
    for unit in [
        "stobj",
        "stobj-proxy",
        "stobj-object-server",
        "stobj-account-server",
    ] {
        let service = read(&format!("{unit}.service"));
        let seconds = value(&service, "TimeoutStopSec").strip_suffix('s');
        let seconds: u64 = seconds.and_then(|text| text.parse().ok()).expect("in seconds");
        assert!(seconds > drain.as_secs(), "{unit}");
    }
}

#[test]
fn the_units_have_their_server_read_the_configuration_again() {
    for unit in [
        "stobj",
        "stobj-proxy",
        "stobj-object-server",
        "stobj-account-server",
    ] {
        let service = read(&format!("{unit}.service"));
        let mut lines = service.lines();
        let last = lines.rfind(|line| line.starts_with("ExecReload="));
        assert_eq!(last, Some("ExecReload=/bin/kill -HUP $MAINPID"), "{unit}");
    }
    // systemd says what is wrong to whoever asks it to reload.
    let (service, check) = (read("stobj.service"), "/usr/bin/stobj config check --config");
    assert!(service.contains(&format!("ExecReload={check}")));
}
