//! IncrementalAlterConfigs, for throttles alone: nothing else can be set here.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::incremental_alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse};

use super::super::Model;
use super::super::image::{NodeId, Record, SettingOf};
use super::super::pending::Reply;
use super::super::requests::{Answer, decode, frame_of};
use super::admin::{BROKER_RESOURCE, TOPIC_RESOURCE};
use super::text;

/// What brokers may have set, and what topics.
pub(super) const RATES: [&str; 2] = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];
pub(super) const LISTS: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

const SET: i8 = 0;
const DELETE: i8 = 1;

impl Model {
    pub(super) fn alter_settings(&mut self, node: NodeId, reply: Reply, body: Bytes) -> Option<Answer> {
        let request: IncrementalAlterConfigsRequest = decode(reply, body)?;
        let mut response = IncrementalAlterConfigsResponse::default();
        for resource in &request.resources {
            let outcome = self.alter_setting(node, resource);
            let message = outcome.as_ref().err().map(|error| text(&format!("{error:?}")));
            let told = AlterConfigsResourceResponse::default().with_error_code(super::code(&outcome)).with_error_message(message);
            response.responses.push(told.with_resource_type(resource.resource_type).with_resource_name(resource.resource_name.clone()));
        }
        frame_of(reply, &response).map(|frame| Answer::Later(self.config.controller_delay + self.config.metadata_delay, frame))
    }

    fn alter_setting(&mut self, node: NodeId, resource: &AlterConfigsResource) -> Result<(), ResponseError> {
        let (of, keys) = match resource.resource_type {
            TOPIC_RESOURCE => {
                let topic = self.controller.topic_named(&resource.resource_name).ok_or(ResponseError::UnknownTopicOrPartition)?;
                (SettingOf::Topic(topic.id), LISTS)
            }
            // As a real one: "Unexpected broker id".
            BROKER_RESOURCE if *resource.resource_name == node.to_string() => (SettingOf::Broker(node), RATES),
            _ => return Err(ResponseError::InvalidRequest),
        };
        let is_fit = |name: &str, operation| keys.contains(&name) && [SET, DELETE].contains(&operation);
        if !resource.configs.iter().all(|config| is_fit(&config.name, config.config_operation)) {
            return Err(ResponseError::InvalidConfig);
        }
        for config in &resource.configs {
            let value = config.value.as_ref().filter(|_| config.config_operation == SET).map(ToString::to_string);
            self.decide(Record::Setting { of: of.clone(), key: config.name.to_string(), value });
        }
        Ok(())
    }
}
