//! What the caller provides: the way to the card, and its keys.

use alloc::{string::ToString, vec::Vec};
use core::fmt;

use lwm2m_codec::{DecodeError, Path, TypeOf};
use lwm2m_model::Registry;
use zeroize::Zeroizing;

use super::{
    CardFile, FileError, Strictness,
    walk::{CardContents, Walk, WalkError, WalkOptions},
};
use crate::source::{Information, Origin, Source, SourceError, fingerprint, latest_type};

/// Longest response: 256 bytes, the status word, and what a secure channel adds.
pub const MAX_RESPONSE: usize = 256 + 2 + 32;

/// The way to a card: a reader, a modem (AT+CSIM), or a card in software.
pub trait UiccChannel {
    /// What can go wrong.
    type Error: fmt::Display;

    /// True if there is a card.
    ///
    /// # Errors
    /// If that can't be found out.
    fn is_present(&mut self) -> Result<bool, Self::Error>;

    /// Sends a command and waits for the response, which goes into `response` with its status
    /// word; gives its length. `response` holds [`MAX_RESPONSE`] bytes.
    ///
    /// # Errors
    /// If there is no response.
    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Self::Error>;
}

impl<C: UiccChannel + ?Sized> UiccChannel for &mut C {
    type Error = C::Error;

    fn is_present(&mut self) -> Result<bool, Self::Error> {
        (**self).is_present()
    }

    fn transmit(&mut self, command: &[u8], response: &mut [u8]) -> Result<usize, Self::Error> {
        (**self).transmit(command, response)
    }
}

/// Says that a secure channel can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecureError {
    /// The card did not prove that it has the key, or did not take ours.
    #[error("the authentication failed")]
    Authentication,
    /// A response has a wrong MAC.
    #[error("a response is not authentic")]
    Response,
}

/// A secure channel to a card, which the caller supplies with its keys: GlobalPlatform SCP03
/// (TS-Core App. H). No IO happens here.
pub trait SecureChannel {
    /// Takes the response to the last command of the authentication, with its status word, and
    /// gives the next: INITIALIZE UPDATE after `None`, then EXTERNAL AUTHENTICATE with P1 = 33,
    /// then `None` when the channel is there. The class byte is for the logical channel.
    ///
    /// # Errors
    /// [`SecureError::Authentication`]
    fn authenticate(
        &mut self,
        channel: u8,
        response: Option<&[u8]>,
    ) -> Result<Option<Vec<u8>>, SecureError>;

    /// Encrypts a command and adds its MAC. Its last byte is Le.
    ///
    /// # Errors
    /// [`SecureError`]
    fn wrap(&mut self, command: &[u8]) -> Result<Vec<u8>, SecureError>;

    /// Checks the MAC of a response and decrypts it; both ways with the status word.
    ///
    /// # Errors
    /// [`SecureError::Response`]
    fn unwrap(&mut self, response: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecureError>;
}

/// Says why a card could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The reader failed; the text is its own.
    #[error("the reader failed: {0}")]
    Reader(alloc::string::String),
    /// The card refused, or its files are wrong.
    #[error(transparent)]
    Walk(#[from] WalkError),
    /// The bootstrap file is wrong.
    #[error("the bootstrap file is wrong at {0}")]
    File(#[from] FileError),
    /// A value in the bootstrap file is wrong.
    #[error("a value of the bootstrap file is wrong: {0}")]
    Value(#[from] DecodeError),
}

/// Reads the bootstrap file of a card; `None` if there is no card, or no such file on it. This
/// blocks as long as the card does.
///
/// # Errors
/// [`CardError::Reader`] and [`CardError::Walk`]
pub fn read_card<C: UiccChannel + ?Sized>(
    channel: &mut C,
    secure: Option<&mut dyn SecureChannel>,
    options: &WalkOptions,
) -> Result<Option<CardContents>, CardError> {
    let reader = |error: C::Error| CardError::Reader(error.to_string());
    if !channel.is_present().map_err(reader)? {
        return Ok(None);
    }
    let mut walk = Walk::new(options.clone(), secure);
    let mut response = Zeroizing::new([0; MAX_RESPONSE]);
    while let Some(command) = walk.command() {
        let length = channel
            .transmit(command, &mut response[..])
            .map_err(reader)?;
        walk.feed(response.get(..length).unwrap_or_default());
    }
    Ok(walk.finish()?)
}

impl CardContents {
    /// Makes information of the file; `None` for an empty or erased one, or none at all. `types`
    /// says what the resources are.
    ///
    /// # Errors
    /// [`CardError::File`] and [`CardError::Value`]: nothing of the file counts then.
    pub fn information(
        &self,
        strictness: Strictness,
        types: &dyn TypeOf,
    ) -> Result<Option<Information>, CardError> {
        let bytes = self.file();
        if super::file::is_blank(bytes) {
            return Ok(None);
        }
        let file = CardFile::parse(bytes, strictness)?;
        if file.objects.is_empty() {
            return Ok(None);
        }
        let print = fingerprint(self.iccid(), bytes);
        Ok(Some(file.information(types, Some(print))?))
    }
}

/// A card as a source of accounts.
///
/// What can't be read or is wrong is an error, and the device goes on to the next source; a card
/// without a bootstrap file is none.
#[derive(Debug)]
pub struct CardSource<C> {
    channel: C,
    registry: Registry,
    options: WalkOptions,
    strictness: Strictness,
}

impl<C: UiccChannel> CardSource<C> {
    /// Takes the way to the card. Files may be padded, as the files of cards are; the registry
    /// says what the resources are.
    pub fn new(channel: C, registry: Registry) -> Self {
        Self {
            channel,
            registry,
            options: WalkOptions::default(),
            strictness: Strictness::Lenient,
        }
    }

    /// Sets how to look for the file.
    pub fn with_options(mut self, options: WalkOptions) -> Self {
        self.options = options;
        self
    }

    /// Sets how exactly the file must be what the standard says.
    pub const fn with_strictness(mut self, strictness: Strictness) -> Self {
        self.strictness = strictness;
        self
    }

    /// Reads the card, over a secure channel if one is given and the card has the application for
    /// it.
    ///
    /// # Errors
    /// [`CardError`]
    pub fn read(
        &mut self,
        secure: Option<&mut dyn SecureChannel>,
    ) -> Result<Option<Information>, CardError> {
        let contents = read_card(&mut self.channel, secure, &self.options)?;
        let Some(contents) = contents else {
            return Ok(None);
        };
        let types = |path: Path| latest_type(&self.registry, path);
        contents.information(self.strictness, &types)
    }
}

impl<C: UiccChannel> Source for CardSource<C> {
    fn origin(&self) -> Origin {
        Origin::Smartcard
    }

    fn fetch(&mut self) -> Result<Option<Information>, SourceError> {
        self.read(None).map_err(|error| match error {
            CardError::File(_) | CardError::Value(_) => SourceError::Invalid(error.to_string()),
            _ => SourceError::Unreadable(error.to_string()),
        })
    }
}
