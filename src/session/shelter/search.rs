//! ListOffsets of partitions that have moved: each leader is asked for its own, one after the other.
//!
//! A client learns of a moved leader from its connection's end or from an error; old consumers (Kafka 2.1) look again only for the first, which they do not see
//! here. So they must be answered.

use bytes::Bytes;

use super::Job;
use super::detours::{Attempt, What};
use super::errands::{Errand, Plan};
use super::home::Examined;
use crate::cluster::{TopicKey, TopicRef};
use crate::guard::Event;
use crate::protocol::list_offsets::Search;
use crate::session::in_flight::InFlight;
use crate::session::{Moment, Observer, Outbox, Session};

impl Session {
    /// The home's answer says, with `code`, that it does not lead all of what it was asked for.
    pub(in crate::session) fn examine_moved<O: Observer>(&mut self, index: usize, code: i16, moment: &Moment<'_, O>) -> Examined {
        let Some(InFlight { owed, frame: Some(request) }) = self.in_flight.get(index) else { return Examined::Pass };
        let (owed, request) = (*owed, request.clone());
        // Only the client itself can ask another broker.
        if self.identity.is_bound() || Search::of(&request).is_none() {
            return Examined::Pass;
        }
        self.tell_of(owed.seq, moment, Event::Absorbed { api_key: owed.api_key, code });
        self.shelter_errand(&owed, request, Errand::new(Plan::Leaders), moment);
        Examined::Taken
    }

    /// Asks the leader of the first open partition for all that it leads.
    pub(super) fn send_search<O: Observer>(&mut self, seq: u64, moment: &Moment<'_, O>, outbox: &mut Outbox) {
        let leader_of = |topic: &str, index| moment.leaders.leader(TopicRef::Name(topic), index).map(|leader| leader.node_id).filter(|node_id| *node_id >= 0);
        let shelter = self.shelter_mut();
        let jitter = shelter.pace.jitter();
        let Some(call) = shelter.calls.get_mut(&seq) else { return };
        let Job::Errand(errand) = &mut call.job else { return };
        let Some(search) = &errand.search else { return };
        let Some((topic, index)) = search.open().next() else { return };
        let node_id = leader_of(topic, index).filter(|node_id| shelter.detours.shut_until(Some(*node_id), moment.now).is_none());
        let part = node_id.and_then(|node_id| Some((node_id, search.part(|topic, index| leader_of(topic, index) == Some(node_id))?)));
        let Some((node_id, frame)) = part else {
            let topic = TopicKey::Name(topic.into());
            if !outbox.ask_leaders.contains(&topic) {
                outbox.ask_leaders.push(topic);
            }
            errand.backoff.failed(moment.now, jitter);
            return;
        };
        errand.is_sent = true;
        call.outstanding += 1;
        let (correlation_id, api_key, api_version) = (call.correlation_id, call.api_key, call.api_version);
        let attempt = Attempt { bytes: frame.len(), correlation_id, api_key, api_version, what: What::Call(seq) };
        self.send_on_detour(Some(node_id), vec![frame], attempt, moment.now, outbox);
    }

    /// A leader answered a part. False: it is no answer to it.
    pub(super) fn search_answered<O: Observer>(&mut self, seq: u64, frame: &Bytes, moment: &Moment<'_, O>, outbox: &mut Outbox) -> bool {
        let shelter = self.shelter_mut();
        let jitter = shelter.pace.jitter();
        let Some(call) = shelter.calls.get_mut(&seq) else { return true };
        let (api_key, correlation_id) = (call.api_key, call.correlation_id);
        let Job::Errand(errand) = &mut call.job else { return true };
        let Some(search) = &mut errand.search else { return true };
        let Some(elsewhere) = search.take(frame) else { return false };
        errand.is_sent = false;
        let open = search.open().next().map(|(topic, _)| TopicKey::Name(topic.into()));
        if let Some(topic) = open {
            if let Some(code) = elsewhere {
                outbox.ask_leaders.push(topic);
                errand.backoff.failed(moment.now, jitter);
                self.tell_of(seq, moment, Event::Absorbed { api_key, code });
            }
            return true;
        }
        let answer = search.answer(correlation_id);
        self.tell_of(seq, moment, Event::Resent { api_key });
        self.finish_call(seq, answer, moment);
        self.drop_if_over(seq);
        true
    }
}
