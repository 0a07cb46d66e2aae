//! Smartcards in a reader of the machine, by PC/SC.

use lwm2m_bootstrap::smartcard::UiccChannel;
use pcsc::{Card, Context, Disposition, Error, Protocols, Scope, ShareMode};

/// A card in a reader. Each walk over it is a connection of its own, so that a card that was
/// changed meanwhile is seen.
pub(crate) struct PcscChannel {
    /// Part of the reader's name; empty for the first one with a card.
    reader: String,
    card: Option<Card>,
}

impl PcscChannel {
    pub(crate) fn new(reader: &str) -> Self {
        Self {
            reader: reader.to_owned(),
            card: None,
        }
    }

    /// Connects to the card; `None` if there is no card.
    fn connect(&self) -> Result<Option<Card>, Error> {
        let context = Context::establish(Scope::User)?;
        for name in context.list_readers_owned()? {
            if !name.to_string_lossy().contains(&self.reader) {
                continue;
            }
            match context.connect(&name, ShareMode::Shared, Protocols::ANY) {
                Ok(card) => return Ok(Some(card)),
                Err(Error::NoSmartcard | Error::RemovedCard) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl UiccChannel for PcscChannel {
    type Error = Error;

    fn is_present(&mut self) -> Result<bool, Error> {
        self.card = match self.connect() {
            Err(Error::NoReadersAvailable) => None,
            connected => connected?,
        };
        Ok(self.card.is_some())
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Error> {
        let card = self.card.as_ref().ok_or(Error::NoSmartcard)?;
        Ok(card.transmit(command, response)?.len())
    }
}

impl Drop for PcscChannel {
    fn drop(&mut self) {
        if let Some(card) = self.card.take() {
            // The card keeps its state for whoever else uses it.
            let _ = card.disconnect(Disposition::LeaveCard);
        }
    }
}
