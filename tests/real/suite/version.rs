//! Every client in front of one release, through Leeward.

use super::{Scene, by_java, by_librdkafka, by_python, by_tools, prepare, stored};
use crate::cluster::Cluster;
use crate::release::{KAFKA_2_1_0, KAFKA_2_6_3, KAFKA_3_9_1, KAFKA_4_3_1, Release};
use crate::selection::{Selection, admit};
use crate::steps::Steps;

#[test]
fn kafka_2_1_0() {
    all_clients(&KAFKA_2_1_0);
}

#[test]
fn kafka_2_6_3() {
    all_clients(&KAFKA_2_6_3);
}

#[test]
fn kafka_3_9_1() {
    all_clients(&KAFKA_3_9_1);
}

#[test]
fn kafka_4_3_1() {
    all_clients(&KAFKA_4_3_1);
}

fn all_clients(release: &'static Release) {
    let name = format!("kafka-{}", release.version);
    let Some(_admission) = admit(&name, Selection::Ci) else { return };
    prepare(&[release], &[release], true);
    let mut steps = Steps::new(&name);
    let mut scene = steps.must("three brokers, and Leeward is ready", || Scene::over(Cluster::start(&name, release), release, &[]));
    steps.run("every broker is advertised at its virtual broker", || scene.front.assert_brokers_advertised(&scene.cluster));
    by_java::steps(&mut steps, &mut scene);
    stored::steps(&mut steps, &mut scene);
    by_librdkafka::steps(&mut steps, &mut scene);
    by_python::steps(&mut steps, &mut scene);
    by_tools::steps(&mut steps, &mut scene);
    steps.run("no client reached past Leeward", || scene.front.assert_no_leak());
    if scene.front.is_leeward() {
        steps.run("a client that goes direct is caught", || by_librdkafka::caught_going_direct(&scene));
    }
    steps.run("Leeward ends gracefully", || scene.front.assert_graceful_end());
    steps.finish();
}
