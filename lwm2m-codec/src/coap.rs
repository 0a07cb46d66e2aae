//! CoAP messages over UDP (RFC 7252): borrowed views and a writer.

mod code;
mod message;
mod options;
mod writer;

pub use code::Code;
pub use message::{Message, MessageError, MessageId, MessageType, Options, ParseError, Token};
pub use options::{Block, CoapOption, OptionNumber, uint_value};
pub use writer::{MessageWriter, WriteError};
