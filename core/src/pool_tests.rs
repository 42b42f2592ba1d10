//! The policy of a pool, without a kernel.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::{Forwarding, ServiceId};

fn id(text: &str) -> ServiceId {
    text.parse().unwrap()
}

fn address(number: u8) -> SocketAddr {
    format!("192.168.1.{number}:80").parse().unwrap()
}

fn server(number: u8) -> Destination {
    Destination::new(address(number)).with_forwarding(Forwarding::Masquerade)
}

fn config() -> PoolConfig {
    PoolConfig::new([Service::new(id("tcp://10.0.0.1:80"))]).with_servers([server(1), server(2).with_weight(3)])
}

fn pool(config: PoolConfig) -> Pool {
    Pool::new(config).unwrap()
}

/// What follows: the rules, then what happened.
fn said(changes: &PoolChanges) -> String {
    let events = changes.events.iter().map(|event| event.to_string() + "\n");
    changes.plan.to_string() + &events.collect::<String>()
}

#[test]
fn a_failed_server_is_deleted_and_comes_back_with_its_weight() {
    let mut pool = pool(config());
    assert_eq!(
        pool.table().to_rules(),
        "-A -t 10.0.0.1:80 -s wlc\n-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 3\n"
    );
    let changes = pool.checked(&address(2), false).unwrap();
    assert_eq!(said(&changes), "-d -t 10.0.0.1:80 -r 192.168.1.2:80\nserver 192.168.1.2:80 is down\n");
    assert!(pool.checked(&address(2), false).unwrap().is_empty());
    let changes = pool.checked(&address(2), true).unwrap();
    assert_eq!(said(&changes), "-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 3\nserver 192.168.1.2:80 is up\n");
    assert_eq!(pool.checked(&address(9), true).unwrap_err().field, "server");
}

#[test]
fn a_failed_server_may_stay_with_weight_0() {
    let mut pool = pool(config().with_inhibit_on_failure(true));
    let changes = pool.checked(&address(2), false).unwrap();
    assert_eq!(said(&changes), "-e -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\nserver 192.168.1.2:80 is down\n");
    let changes = pool.checked(&address(2), true).unwrap();
    assert_eq!(said(&changes), "-e -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 3\nserver 192.168.1.2:80 is up\n");
}

#[test]
fn the_sorry_server_may_stay_with_weight_0() {
    let config = || config().with_sorry_server(server(99)).with_sorry_server_inhibit(true);
    let mut pool = pool(config());
    assert!(pool.table().to_rules().ends_with("-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 0\n"));
    let _ = pool.checked(&address(1), false).unwrap();
    let lost = pool.checked(&address(2), false).unwrap();
    assert_eq!(
        said(&lost),
        "-e -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 1\n-d -t 10.0.0.1:80 -r 192.168.1.2:80\n\
         server 192.168.1.2:80 is down\nquorum lost\n"
    );
    // After a restart its weight tells.
    let mut again = Pool::new(config()).unwrap();
    again.adopt(&pool.table());
    assert!(!again.has_quorum());
    let gained = pool.checked(&address(1), true).unwrap();
    assert_eq!(
        said(&gained),
        "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n-e -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 0\n\
         server 192.168.1.1:80 is up\nquorum gained\n"
    );
    again.adopt(&pool.table());
    assert!(again.has_quorum());
}

#[test]
fn results_in_a_row_decide() {
    let mut pool = pool(config().with_rise_and_fall(2, 3));
    let mut results = |results: &[bool]| {
        results.iter().map(|is_well| pool.checked(&address(1), *is_well).unwrap().events.len()).collect::<Vec<_>>()
    };
    assert_eq!(results(&[false, false, true, false, false]), [0; 5]);
    assert_eq!(results(&[false, true, false, true, true]), [1, 0, 0, 0, 1]);
}

#[test]
fn the_sorry_server_goes_in_before_the_last_one_goes_out_and_leaves_after_they_return() {
    let mut pool = pool(config().with_sorry_server(server(99)));
    let _ = pool.checked(&address(1), false).unwrap();
    let lost = pool.checked(&address(2), false).unwrap();
    assert_eq!(
        said(&lost),
        "-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 1\n-d -t 10.0.0.1:80 -r 192.168.1.2:80\n\
         server 192.168.1.2:80 is down\nquorum lost\n"
    );
    let gained = pool.checked(&address(1), true).unwrap();
    assert_eq!(
        said(&gained),
        "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 1\n-d -t 10.0.0.1:80 -r 192.168.1.99:80\n\
         server 192.168.1.1:80 is up\nquorum gained\n"
    );
}

#[test]
fn the_quorum_has_a_hysteresis() {
    // Weights 1 and 3: lost below 2, gained from 4 on.
    let mut pool = pool(config().with_quorum(3, 1).with_sorry_server(server(99)));
    assert!(pool.has_quorum());
    assert_eq!(pool.checked(&address(1), false).unwrap().events, [PoolEvent::ServerDown(address(1))]);
    let lost = pool.checked(&address(2), false).unwrap();
    assert_eq!(lost.events, [PoolEvent::ServerDown(address(2)), PoolEvent::QuorumLost]);
    // One that is well does not serve below the quorum.
    let up = pool.checked(&address(2), true).unwrap();
    assert_eq!((up.plan.is_empty(), up.events), (true, vec![PoolEvent::ServerUp(address(2))]));
    let gained = pool.checked(&address(1), true).unwrap();
    assert_eq!(gained.events, [PoolEvent::ServerUp(address(1)), PoolEvent::QuorumGained]);
    assert_eq!(gained.plan.additions.len(), 2);
    // A weight counts too.
    let lost = pool.set_weight(&address(2), Some(0)).unwrap();
    assert_eq!(lost.events, [PoolEvent::QuorumLost]);
}

#[test]
fn without_a_sorry_server_whoever_is_well_goes_on() {
    let mut pool = pool(config().with_quorum(4, 0));
    let lost = pool.checked(&address(2), false).unwrap();
    assert_eq!(lost.events.last(), Some(&PoolEvent::QuorumLost));
    assert!(pool.table().destination(&id("tcp://10.0.0.1:80"), &address(1)).is_some());
}

#[test]
fn a_weight_is_kept_over_failure_and_recovery() {
    let mut pool = pool(config().with_inhibit_on_failure(true));
    let weight = |pool: &Pool| pool.table().destination(&id("tcp://10.0.0.1:80"), &address(1)).unwrap().weight;
    let set = pool.set_weight(&address(1), Some(7)).unwrap();
    assert_eq!(said(&set), "-e -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 7\n");
    let _ = pool.checked(&address(1), false).unwrap();
    assert_eq!(weight(&pool), 0);
    assert!(pool.set_weight(&address(1), Some(8)).unwrap().is_empty());
    let _ = pool.checked(&address(1), true).unwrap();
    assert_eq!(weight(&pool), 8);
    // A reload keeps it, unless the configured weight is new.
    let _ = pool.set_config(config().with_quorum(2, 0)).unwrap();
    assert_eq!(weight(&pool), 8);
    let _ = pool.set_config(config().with_servers([server(1).with_weight(5)])).unwrap();
    assert_eq!(weight(&pool), 5);
    let _ = pool.set_weight(&address(1), Some(9)).unwrap();
    let _ = pool.set_weight(&address(1), None).unwrap();
    assert_eq!(weight(&pool), 5);
    assert_eq!(pool.set_weight(&address(1), Some(u32::MAX)).unwrap_err().field, "weight");
}

#[test]
fn a_reload_adds_what_is_new_before_it_deletes_what_is_gone() {
    let mut pool = pool(config());
    let changes = pool.set_config(config().with_servers([server(3)])).unwrap();
    assert_eq!(
        said(&changes),
        "-a -t 10.0.0.1:80 -r 192.168.1.3:80 -m -w 1\n-d -t 10.0.0.1:80 -r 192.168.1.1:80\n-d -t 10.0.0.1:80 -r 192.168.1.2:80\n"
    );
    // In alpha a new one has to prove itself, and the old ones have.
    let changes = pool.set_config(config().with_servers([server(3), server(4)]).with_alpha(true)).unwrap();
    assert!(changes.is_empty());
    assert_eq!(pool.checked(&address(4), true).unwrap().events, [PoolEvent::ServerUp(address(4))]);
}

#[test]
fn services_share_the_servers() {
    let services = ["tcp://10.0.0.1:80", "tcp://10.0.0.2:80", "fwmark:7"].map(|text| Service::new(id(text)));
    let mut pool = pool(PoolConfig { services: services.into(), ..config() });
    let changes = pool.checked(&address(1), false).unwrap();
    assert_eq!(changes.plan.removals.len(), 3);
    assert_eq!(changes.events.len(), 1);
}

#[test]
fn what_cannot_be_right_is_refused() {
    let field = |config: PoolConfig| Pool::new(config).map_or_else(|error| error.field, |_| "none");
    assert_eq!(field(PoolConfig::new([])), "services");
    assert_eq!(field(PoolConfig::new([Service::new(id("fwmark:1")), Service::new(id("fwmark:1"))])), "services");
    assert_eq!(field(config().with_quorum(0, 0)), "quorum");
    assert_eq!(field(config().with_quorum(2, 2)), "hysteresis");
    assert_eq!(field(config().with_rise_and_fall(0, 1)), "rise");
    assert_eq!(field(config().with_rise_and_fall(1, 0)), "fall");
    assert_eq!(field(config().with_servers([server(1), server(1)])), "servers");
    assert_eq!(field(config().with_sorry_server(server(1))), "servers");
    assert_eq!(field(config().with_servers([Destination::new("[::1]:80".parse().unwrap())])), "forwarding");
    assert_eq!(field(PoolConfig::new([Service::new(id("tcp://10.0.0.1:80")).with_scheduler("")])), "scheduler");
    assert_eq!(field(config()), "none");
    let mut pool = pool(config());
    assert_eq!(pool.set_config(config().with_quorum(0, 0)).unwrap_err().field, "quorum");
    assert_eq!(pool.config(), &config());
}

#[test]
fn a_restart_takes_over_what_the_kernel_holds() {
    let table = |rules: &str| Table::from_rules(rules).unwrap();
    let adopted = |config: PoolConfig, rules: &str| {
        let mut pool = pool(config);
        pool.adopt(&table(rules));
        let plan = table(rules).within(&pool.scope()).plan_to(&pool.table());
        let up: Vec<_> = pool.servers().map(|(_, state)| state.is_up).collect();
        (up, pool.has_quorum(), plan.to_string())
    };
    let web = "-A -t 10.0.0.1:80\n";
    // Nothing there: as new. So is a service without anybody, which a drain of all leaves.
    assert_eq!(adopted(config(), "-A -f 9\n").0, [true, true]);
    assert_eq!(adopted(config().with_sorry_server(server(99)), web).0, [true, true]);
    // A weight that somebody set is kept, and what failed stays out.
    let left = format!("{web}-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 7\n");
    assert_eq!(adopted(config(), &left), (vec![true, false], true, String::new()));
    // Weight 0 is a failure, as the configuration has another one; what is too much goes.
    let drained = format!(
        "{left}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\n-a -t 10.0.0.1:80 -r 192.168.1.9:80 -m\n-A -t 10.9.9.9:80\n"
    );
    assert_eq!(
        adopted(config().with_inhibit_on_failure(true), &drained),
        (vec![true, false], true, "-d -t 10.0.0.1:80 -r 192.168.1.9:80\n".to_owned())
    );
    // Where failed servers are deleted, a weight of 0 was set by somebody: a drain goes on.
    let half = format!("{left}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\n");
    assert_eq!(adopted(config(), &half), (vec![true, true], true, String::new()));
    // Neither servers nor the sorry server, which was another one: it is needed.
    let other = format!("{web}-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 0\n");
    assert_eq!(
        adopted(config().with_sorry_server(server(99)).with_inhibit_on_failure(true), &other).2,
        "-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\n-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 1\n"
    );
    // A change that was cut off when the servers were back and the sorry server was still there.
    let cut = format!("{left}-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m\n");
    assert_eq!(
        adopted(config().with_sorry_server(server(99)), &cut),
        (vec![true, false], true, "-d -t 10.0.0.1:80 -r 192.168.1.99:80\n".to_owned())
    );
    // The sorry server says that there was no quorum.
    let sorry = format!("{web}-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m\n");
    assert_eq!(adopted(config().with_sorry_server(server(99)), &sorry), (vec![false, false], false, String::new()));
}

#[test]
fn a_state_is_written_and_read() {
    let mut pool = pool(config().with_sorry_server(server(99)).with_quorum(3, 1));
    let _ = pool.checked(&address(2), false).unwrap();
    let _ = pool.set_weight(&address(1), Some(7)).unwrap();
    let text = pool.state();
    assert_eq!(text, "quorum up\n192.168.1.1:80 up 7\n192.168.1.2:80 down -\n");
    let mut again = Pool::new(pool.config().clone()).unwrap();
    again.adopt_state(&text).unwrap();
    assert_eq!(again, pool);
    again.adopt_state("quorum down\n192.168.1.1:80 up 3\n192.168.1.77:80 up 1\n").unwrap();
    assert!(!again.has_quorum());
    for wrong in [
        "x",
        "quorum maybe",
        "192.168.1.1:80 up",
        "192.168.1.1:80 up x",
        "192.168.1.1 up -",
        "192.168.1.1:80 up 4294967295",
    ] {
        let before = again.clone();
        assert!(again.adopt_state(&format!("quorum up\n{wrong}\n")).is_err(), "{wrong}");
        assert_eq!(again, before);
    }
}

#[test]
fn servers_that_were_all_being_drained_are_well_after_a_restart() {
    let drained = |rules: &str| Table::from_rules(&format!("-A -t 10.0.0.1:80\n{rules}")).unwrap();
    let first = "-a -t 10.0.0.1:80 -r 192.168.1.1:80 -m -w 0\n";
    let mut again = pool(config());
    again.adopt(&drained(&format!("{first}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\n")));
    assert_eq!(again.state(), "quorum up\n192.168.1.1:80 up -\n192.168.1.2:80 up -\n");
    // While somebody answers, a 0 is somebody's.
    again.adopt(&drained(&format!("{first}-a -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 3\n")));
    assert_eq!(again.state(), "quorum up\n192.168.1.1:80 up 0\n192.168.1.2:80 up -\n");
    let mut sorry = pool(config().with_sorry_server(server(99)));
    sorry.adopt(&drained(&format!("{first}-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m\n")));
    assert_eq!(sorry.state(), "quorum down\n192.168.1.1:80 up 0\n192.168.1.2:80 down -\n");
}

#[test]
fn a_server_with_weight_0_keeps_its_connections_also_when_the_quorum_is_lost_with_it() {
    let mut pool = pool(config().with_sorry_server(server(99)));
    let _ = pool.checked(&address(1), false).unwrap();
    let changes = pool.set_weight(&address(2), Some(0)).unwrap();
    assert_eq!(
        said(&changes),
        "-a -t 10.0.0.1:80 -r 192.168.1.99:80 -m -w 1\n-e -t 10.0.0.1:80 -r 192.168.1.2:80 -m -w 0\nquorum lost\n"
    );
    let error = Pool::new(config().with_sorry_server(server(99).with_weight(0))).unwrap_err();
    assert_eq!(error.field, "sorry_server");
}

/// Something that happens to a pool.
#[derive(Debug, Clone)]
enum Fact {
    Checked(u8, bool),
    Weight(u8, Option<u32>),
    Config(PoolConfig),
}

fn any_config() -> impl Strategy<Value = PoolConfig> {
    let servers = vec((1..5_u8, 0..4_u32), 0..4);
    let counts = (1..3_u32, 1..3_u32, 1..4_u32, 0..3_u32);
    (servers, any::<[bool; 4]>(), counts).prop_map(
        |(servers, [sorry, inhibit, sorry_inhibit, alpha], (rise, fall, quorum, hysteresis))| {
            let servers: BTreeMap<_, _> = servers.into_iter().collect();
            let servers = servers.into_iter().map(|(number, weight)| server(number).with_weight(weight));
            let config = PoolConfig::new(["tcp://10.0.0.1:80", "fwmark:7"].map(|text| Service::new(id(text))))
                .with_servers(servers)
                .with_inhibit_on_failure(inhibit)
                .with_sorry_server_inhibit(sorry_inhibit)
                .with_alpha(alpha)
                .with_rise_and_fall(rise, fall)
                .with_quorum(quorum, hysteresis.min(quorum - 1));
            if sorry { config.with_sorry_server(server(99)) } else { config }
        },
    )
}

fn any_fact() -> impl Strategy<Value = Fact> {
    prop_oneof![
        8 => (1..5_u8, any::<bool>()).prop_map(|(number, is_well)| Fact::Checked(number, is_well)),
        2 => (1..5_u8, proptest::option::of(0..4_u32)).prop_map(|(number, weight)| Fact::Weight(number, weight)),
        1 => any_config().prop_map(Fact::Config),
    ]
}

/// The result of a check, or else a weight.
fn any_fact_of_a_server() -> impl Strategy<Value = (Option<bool>, Option<u32>)> {
    (proptest::option::weighted(0.8, any::<bool>()), proptest::option::of(0..4_u32))
}

fn take_in(pool: &mut Pool, fact: Fact) -> PoolChanges {
    match fact {
        // A server that the pool does not have is no fact.
        Fact::Checked(number, is_well) => pool.checked(&address(number), is_well).unwrap_or_default(),
        Fact::Weight(number, weight) => pool.set_weight(&address(number), weight).unwrap_or_default(),
        Fact::Config(config) => pool.set_config(config).unwrap(),
    }
}

/// Whether anybody could answer.
fn has_candidate(pool: &Pool) -> bool {
    let is_live = |(server, state): (&Destination, ServerState)| state.is_up && weight(server, state) > 0;
    pool.servers().any(is_live) || pool.config.sorry_server.is_some()
}

fn is_active(table: &Table) -> bool {
    table.services().all(|(_, mut destinations)| destinations.any(|destination| destination.weight > 0))
}

proptest! {
    #[test]
    fn a_pool_is_never_empty_while_anybody_could_answer(config in any_config(), facts in vec(any_fact(), 0..30)) {
        let mut pool = Pool::new(config).unwrap();
        let mut kernel = pool.table();
        for fact in facts {
            let was_active = is_active(&kernel);
            let changes = take_in(&mut pool, fact);
            for command in changes.plan.commands() {
                prop_assert_eq!(kernel.run(command), Ok(()));
                prop_assert!(is_active(&kernel) || !was_active || !has_candidate(&pool));
            }
            prop_assert_eq!(&kernel, &pool.table());
            prop_assert_eq!(is_active(&kernel), has_candidate(&pool));
        }
    }

    #[test]
    fn nothing_is_said_twice(config in any_config(), facts in vec(any_fact(), 0..30)) {
        let mut pool = Pool::new(config).unwrap();
        let mut has_quorum = pool.has_quorum();
        for fact in facts {
            let known: BTreeMap<_, _> = pool.servers().map(|(server, state)| (server.address, state.is_up)).collect();
            for event in take_in(&mut pool, fact).events {
                match event {
                    PoolEvent::QuorumGained => prop_assert!(!std::mem::replace(&mut has_quorum, true)),
                    PoolEvent::QuorumLost => prop_assert!(std::mem::replace(&mut has_quorum, false)),
                    PoolEvent::ServerUp(address) => prop_assert!(!known[&address]),
                    PoolEvent::ServerDown(address) => prop_assert!(known[&address]),
                }
            }
            prop_assert_eq!(has_quorum, pool.has_quorum());
        }
    }

    #[test]
    fn the_table_depends_on_the_facts_and_not_on_their_order(
        configs in vec(any_config(), 2),
        facts in vec(vec(vec(any_fact_of_a_server(), 0..6), 4), 2),
        order in vec(0..4_usize, 0..40),
    ) {
        // With a hysteresis the quorum remembers.
        let configs: Vec<_> = configs.into_iter().map(|config| PoolConfig { hysteresis: 0, ..config }).collect();
        let (mut one, mut other) = (Pool::new(configs[0].clone()).unwrap(), Pool::new(configs[0].clone()).unwrap());
        let take = |pool: &mut Pool, number: usize, (result, weight): &(Option<bool>, Option<u32>)| {
            let number = u8::try_from(number).unwrap() + 1;
            take_in(pool, match result {
                Some(is_well) => Fact::Checked(number, *is_well),
                None => Fact::Weight(number, *weight),
            });
        };
        // What is known of each server comes in its order; of two servers, in any. Between the two rounds is a reload.
        for (config, facts) in configs.into_iter().zip(&facts) {
            one.set_config(config.clone()).unwrap();
            other.set_config(config).unwrap();
            for (number, facts) in facts.iter().enumerate() {
                for fact in facts {
                    take(&mut one, number, fact);
                }
            }
            let mut left: Vec<_> = facts.iter().map(|facts| facts.iter()).collect();
            for number in order.iter().copied().chain((0..4).flat_map(|number| [number; 6])) {
                if let Some(fact) = left[number].next() {
                    take(&mut other, number, fact);
                }
            }
            prop_assert_eq!(one.table(), other.table());
        }
    }

    #[test]
    fn a_restart_finds_what_was_there(config in any_config(), facts in vec(any_fact(), 0..20)) {
        let mut pool = Pool::new(config).unwrap();
        for fact in facts {
            let _ = take_in(&mut pool, fact);
        }
        let mut again = Pool::new(pool.config().clone()).unwrap();
        again.adopt_state(&pool.state()).unwrap();
        prop_assert_eq!(again.table(), pool.table());
    }

    #[test]
    fn whatever_is_taken_over_somebody_answers(
        config in any_config(),
        other in any_config(),
        facts in vec(any_fact(), 0..20),
        cut in 0..10_usize,
    ) {
        let mut before = Pool::new(other).unwrap();
        let mut kernel = before.table();
        for fact in facts {
            // The last changes were cut off.
            let plan = take_in(&mut before, fact).plan;
            for command in plan.commands().take(cut) {
                let _ = kernel.run(command);
            }
        }
        let mut pool = Pool::new(config).unwrap();
        pool.adopt(&kernel);
        prop_assert_eq!(is_active(&pool.table()), has_candidate(&pool));
        pool.adopt_state(&before.state()).unwrap();
        prop_assert_eq!(is_active(&pool.table()), has_candidate(&pool));
    }
}
