//! CoAP messages over UDP (RFC 7252) and TCP (RFC 8323): borrowed views and writers.

mod code;
mod content;
mod frame;
mod message;
mod options;
mod signal;
mod tcp;
mod writer;

pub use code::Code;
pub use content::{Content, Options};
pub use frame::{Frame, FrameError};
pub use message::{Message, MessageError, MessageId, MessageType, ParseError, Token};
pub use options::{Block, CoapOption, OptionNumber, uint_value};
pub use signal::{DEFAULT_MAX_MESSAGE_SIZE, Signal, SignalError, SignalOption};
pub use tcp::{TcpMessage, TcpWriter};
pub use writer::{MessageWriter, WriteError};
