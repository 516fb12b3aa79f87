//! From ZooKeeper to KRaft, on 3.9 (KIP-866).

use super::stages::{remove, set, stage};
use super::{Action, Node, PointOfNoReturn, Setting, Stage};
use crate::releases::Release;
use crate::releases::settings::{
    AUTHORIZER, BROKER_ID, CONTROL_PLANE_LISTENER, CONTROLLER_LISTENERS, INTER_BROKER_LISTENER, INTER_BROKER_PROTOCOL, LISTENERS, MESSAGE_FORMAT, MIGRATION,
    NODE_ID, PROCESS_ROLES, QUORUM, SECURITY_MAP, ZOOKEEPER_CONNECT,
};

const SOURCE: &str = "docs/ops.html 3.9, \"ZooKeeper to KRaft Migration\"; KIP-866";
const ON: Release = Release::BRIDGE;
const QUORUM_EXAMPLE: &str = "CONTROLLER1:9093,CONTROLLER2:9093,CONTROLLER3:9093";

pub(super) fn stages() -> Vec<Stage> {
    vec![controllers(), enter(), over(), leave()]
}

fn of_controllers(settings: Vec<Setting>) -> Vec<Setting> {
    settings.into_iter().map(|setting| Setting { of: Node::Controller, ..setting }).collect()
}

fn controllers() -> Stage {
    let why = "they take the metadata over from ZooKeeper; the cluster id is the one that the brokers have; the first controller is formatted with --standalone, the others without, and each of these is added from its own machine when it runs";
    let mut stage = stage(Action::Provision, "Start three controllers of 3.9 that are ready to migrate", ON, why, SOURCE);
    stage.settings = of_controllers(vec![
        set(PROCESS_ROLES, "controller"),
        set(NODE_ID, "(one that no broker has)"),
        set(LISTENERS, "CONTROLLER://:9093"),
        set(CONTROLLER_LISTENERS, "CONTROLLER"),
        set(QUORUM, QUORUM_EXAMPLE),
        set(MIGRATION, "true"),
        set(ZOOKEEPER_CONNECT, "(as the brokers have it)"),
        set(INTER_BROKER_LISTENER, "(as the brokers have it)"),
    ]);
    stage.commands = vec![
        "bin/zookeeper-shell.sh HOST:2181 get /cluster/id".to_owned(),
        "bin/kafka-storage.sh format --standalone --cluster-id CLUSTER_ID --config controller.properties".to_owned(),
        "bin/kafka-storage.sh format --no-initial-controllers --cluster-id CLUSTER_ID --config controller.properties".to_owned(),
        "bin/kafka-metadata-quorum.sh --command-config controller.properties --bootstrap-controller CONTROLLER1:9093 add-controller".to_owned(),
    ];
    stage
}

fn enter() -> Stage {
    let title = "Restart every broker, one by one, so that it knows the controllers";
    let why = "with the last of them the metadata is copied; go on when the active controller has logged \"Completed migration of metadata from Zookeeper to KRaft\", and change no protocol meanwhile";
    let mut stage = stage(Action::Settings, title, ON, why, SOURCE);
    stage.settings = vec![
        set(MIGRATION, "true"),
        set(QUORUM, QUORUM_EXAMPLE),
        set(CONTROLLER_LISTENERS, "CONTROLLER"),
        set(SECURITY_MAP, "(as it is),CONTROLLER:PLAINTEXT"),
        set(BROKER_ID, "(as it is; written out where it was generated)"),
    ];
    stage
}

fn over() -> Stage {
    let title = "Restart every broker, one by one, in KRaft mode";
    let why = "the controllers still write to ZooKeeper, so that there is a way back (docs/ops.html 3.9, \"Reverting to ZooKeeper mode\"); the node id is the broker's old id";
    let mut stage = stage(Action::Settings, title, ON, why, SOURCE);
    stage.settings = vec![
        set(PROCESS_ROLES, "broker"),
        set(NODE_ID, "(the broker.id)"),
        remove(BROKER_ID),
        remove(MIGRATION),
        remove(ZOOKEEPER_CONNECT),
        remove(INTER_BROKER_PROTOCOL),
        remove(MESSAGE_FORMAT),
        remove(CONTROL_PLANE_LISTENER),
        set(AUTHORIZER, "org.apache.kafka.metadata.authorizer.StandardAuthorizer (only where it was AclAuthorizer)"),
    ];
    stage
}

fn leave() -> Stage {
    let title = "Restart every controller, one by one, the active one last, out of the migration";
    let why = "ZooKeeper is not written to any more, and can be taken down afterwards";
    let mut stage = stage(Action::Settings, title, ON, why, SOURCE);
    stage.settings = of_controllers(vec![remove(MIGRATION), remove(ZOOKEEPER_CONNECT)]);
    stage.point_of_no_return = Some(PointOfNoReturn { lost: "From then on the cluster cannot go back to ZooKeeper".to_owned() });
    stage
}
