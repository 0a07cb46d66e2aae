//! Send: values that a device reports of its own accord (TS-Core §6.4.6).

use lwm2m_coap::{Draft, PeerId, Responder};
use lwm2m_codec::{
    ContentFormat, Decoder, NoTypes, Path,
    coap::{Code, Message},
};

use crate::{Event, RefuseReason, Registration, RegistrationId, Server, server::refusal};

impl Server {
    pub(crate) fn on_send(&mut self, responder: Responder, message: &Message<'_>, body: &[u8]) {
        match self.read_send(responder.peer(), message, body) {
            Ok((id, format)) => {
                self.counters.sends += 1;
                self.follow(id, responder.peer());
                self.respond(responder, Draft::new(Code::CHANGED));
                self.emit(Event::Send {
                    registration: id,
                    format,
                    payload: body.to_vec(),
                });
                self.heard(id);
            }
            Err(reason) => {
                self.counters.refused_sends += 1;
                tracing::debug!(peer = ?responder.peer(), %reason, "send refused");
                self.respond(responder, refusal(&reason));
            }
        }
    }

    fn read_send(
        &self,
        peer: PeerId,
        message: &Message<'_>,
        body: &[u8],
    ) -> Result<(RegistrationId, ContentFormat), RefuseReason> {
        let format = message.content_format();
        let format = format.ok_or(RefuseReason::Missing("content format"))?;
        if !matches!(
            format,
            ContentFormat::SENML_JSON | ContentFormat::SENML_CBOR | ContentFormat::LWM2M_CBOR
        ) {
            return Err(RefuseReason::Format(format));
        }
        let owner = self.registry.peer(peer).map(|peer| &peer.owner);
        let owner = owner.ok_or(RefuseReason::UnknownRegistration)?;
        let mut refused = RefuseReason::UnknownRegistration;
        // An identity with several registrations: the first that has all the objects.
        for id in self.registry.owned_by(owner) {
            let Some(registration) = self.registration(id) else {
                continue;
            };
            match check(registration, format, body) {
                Ok(()) => return Ok((id, format)),
                Err(reason) => refused = reason,
            }
        }
        Err(refused)
    }
}

/// The payload must decode, and name registered objects only (TS-Transport §6.4.5).
fn check(
    registration: &Registration,
    format: ContentFormat,
    body: &[u8],
) -> Result<(), RefuseReason> {
    let mut decoder =
        Decoder::new(format, Path::ROOT, body, &NoTypes).map_err(RefuseReason::Payload)?;
    decoder.visit(|record| {
        let object = record.path.object_id().map(Path::object);
        if let Some(object) = object.filter(|object| !registration.objects.contains(*object)) {
            let id = object.object_id().unwrap_or_default();
            return Err(RefuseReason::UnknownObject(id));
        }
        Ok(())
    })
}
