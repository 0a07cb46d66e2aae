//! `lwm2m decode`: what a payload or a whole message says.

mod guess;
mod message;
mod payload;

use std::{
    io::{self, Read},
    path::PathBuf,
};

use lwm2m_codec::{ContentFormat, Path};
use lwm2m_model::Registry;

use crate::{definitions, failure::Failure, hex, output::Output};

pub(crate) use payload::{Shown, types};

/// Shows what a payload says: its records, with names and units from the object definitions.
///
/// Without --format, the format is guessed. Formats whose names are not whole paths need --path:
/// TLV, and those of one value.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Format of the payload: a name such as senml-cbor or a number such as 112.
    #[arg(long, value_name = "NAME|NUMBER")]
    format: Option<ContentFormat>,
    /// Path that was read from or written to, such as /3/0 [default: that of the message, or /].
    #[arg(long, value_name = "PATH")]
    path: Option<Path>,
    /// Folder of object definitions (OMA XML); may come several times.
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// Takes the bytes for a whole CoAP datagram.
    #[arg(long)]
    coap: bool,
    /// Takes the bytes for CoAP messages over TCP.
    #[arg(long, conflicts_with = "coap")]
    coap_tcp: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Bytes in hexadecimal digits, with blanks or colons if you like; JSON and links as they are;
    /// - reads the bytes themselves from standard input.
    #[arg(value_name = "HEX|-")]
    input: String,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let registry = definitions::load(&args.objects)?;
    let bytes = bytes(&args.input)?;
    let context = Context {
        registry: &registry,
        format: args.format,
        path: args.path,
    };
    let output = Output::new(args.json);
    let shown = match (args.coap, args.coap_tcp) {
        (true, _) => message::udp(&bytes, &context)?,
        (_, true) => message::tcp(&bytes, &context)?,
        _ => context.payload(&bytes)?,
    };
    output.line(shown.text, &shown.json);
    Ok(())
}

/// What is known besides the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'r> {
    pub(crate) registry: &'r Registry,
    pub(crate) format: Option<ContentFormat>,
    pub(crate) path: Option<Path>,
}

impl Context<'_> {
    /// Shows a payload, in the format that was told or guessed.
    pub(crate) fn payload(&self, bytes: &[u8]) -> Result<Shown, Failure> {
        let base = self.path.unwrap_or(Path::ROOT);
        let types = payload::types(self.registry);
        let (format, is_guess) = match self.format {
            Some(format) => (format, false),
            None => {
                let guess = guess::format(bytes, self.path, &types);
                let unknown = || {
                    Failure::runtime(
                        "no format fits these bytes; --path /OBJECT/INSTANCE may be missing, or \
                         --format",
                    )
                };
                (guess.ok_or_else(unknown)?, true)
            }
        };
        payload::show(bytes, format, is_guess, base, self.registry)
            .map_err(|error| Failure::runtime(format_args!("{format}, {error}")))
    }
}

/// The bytes that the command line means.
fn bytes(input: &str) -> Result<Vec<u8>, Failure> {
    if input == "-" {
        let mut bytes = Vec::new();
        io::stdin()
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::runtime(format_args!("standard input: {error}")))?;
        return Ok(bytes);
    }
    // Neither of them begins with a digit.
    if input.trim_start().starts_with(['[', '{', '<']) {
        return Ok(input.as_bytes().to_vec());
    }
    let digits: String = input
        .strip_prefix("0x")
        .unwrap_or(input)
        .chars()
        .filter(|c| !c.is_whitespace() && *c != ':')
        .collect();
    hex::decode(&digits).ok_or_else(|| {
        Failure::usage("expected pairs of hexadecimal digits, a JSON text, links, or -")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_as_digits_or_as_text() {
        for text in ["c1 09 64", "C1:09:64", "0xc10964", "c1\n0964"] {
            assert_eq!(bytes(text), Ok(vec![0xc1, 9, 100]), "{text}");
        }
        assert_eq!(bytes("</3>"), Ok(b"</3>".to_vec()));
        assert!(matches!(bytes("c1 0"), Err(Failure::Usage(_))));
    }
}
