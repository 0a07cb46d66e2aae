//! `lwm2m encode`: a payload from records.

use std::{
    io::{self, Read, Write},
    path::PathBuf,
};

use lwm2m_codec::{
    ContentFormat, Decoder, EncodeError, Encoder, Floats, Keys, Layout, Names, Path,
    owned::{self, OwnedRecord},
};
use lwm2m_model::Registry;
use serde_json::json;

use crate::{definitions, failure::Failure, hex, output::Output};

/// Largest payload that is written, in bytes.
const MAX_PAYLOAD: usize = 16 * 1024 * 1024;

/// Encodes records and prints the payload in hexadecimal digits.
///
/// Records are PATH=VALUE, with the value as text by its type in the object definition, or PATH
/// for a path without a value. Given -, what decode --json printed is read from standard input.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Format of the payload: a name such as senml-cbor or a number such as 112.
    #[arg(long, value_name = "NAME|NUMBER")]
    format: ContentFormat,
    /// Path that is read from or written to [default: the longest that all records share].
    #[arg(long, value_name = "PATH")]
    path: Option<Path>,
    /// Folder of object definitions (OMA XML); may come several times.
    #[arg(long, value_name = "DIR")]
    objects: Vec<PathBuf>,
    /// Writes whole names in SenML, and one key for each value in LwM2M CBOR.
    #[arg(long)]
    flat: bool,
    /// Writes floating point numbers with 64 bits in TLV and CBOR.
    #[arg(long)]
    double: bool,
    /// Writes the bytes themselves.
    #[arg(long, conflicts_with = "json")]
    raw: bool,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    /// Records, or - for standard input.
    #[arg(value_name = "PATH=VALUE|-", required = true)]
    records: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let registry = definitions::load(&args.objects)?;
    let records = match args.records.as_slice() {
        [only] if only == "-" => from_input()?,
        texts => texts
            .iter()
            .map(|text| record(text, &registry))
            .collect::<Result<_, _>>()?,
    };
    let base = args.path.unwrap_or_else(|| shared(&records));
    let layout = Layout {
        names: if args.flat {
            Names::Absolute
        } else {
            Names::Base
        },
        keys: if args.flat { Keys::Flat } else { Keys::Base },
        floats: if args.double {
            Floats::Double
        } else {
            Floats::Shortest
        },
        ..Layout::default()
    };
    let payload = encode(args.format, base, layout, &records).map_err(Failure::runtime)?;
    if args.raw {
        return io::stdout()
            .write_all(&payload)
            .map_err(|error| Failure::runtime(format_args!("standard output: {error}")));
    }
    let digits = hex::encode(&payload);
    let json = json!({"format": args.format.0, "path": base.to_string(), "payload": digits});
    Output::new(args.json).line(&digits, &json);
    Ok(())
}

/// Reads what `decode --json` printed, or a list of records.
fn from_input() -> Result<Vec<OwnedRecord>, Failure> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Failure::runtime(format_args!("standard input: {error}")))?;
    let mut value: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::usage(format_args!("standard input: {error}")))?;
    let list = match value.get_mut("records") {
        Some(records) => records.take(),
        None => value,
    };
    let mut list = list;
    for record in list.as_array_mut().into_iter().flatten() {
        // What the definitions said of the record is not part of it.
        if let Some(fields) = record.as_object_mut() {
            for key in ["name", "units", "root"] {
                fields.remove(key);
            }
        }
    }
    owned::from_json(&list.to_string()).map_err(Failure::usage)
}

/// Reads `PATH=VALUE` or `PATH`.
fn record(text: &str, registry: &Registry) -> Result<OwnedRecord, Failure> {
    let (path, value) = match text.split_once('=') {
        Some((path, value)) => (path, Some(value)),
        None => (text, None),
    };
    let path: Path = path
        .parse()
        .map_err(|error| Failure::usage(format_args!("{path}: {error}")))?;
    let Some(value) = value else {
        return Ok(OwnedRecord {
            path,
            time: None,
            value: None,
        });
    };
    let types = crate::decode::types(registry);
    let wrong = |reason: String| Failure::usage(format_args!("{path}: {value:?}: {reason}"));
    let mut decoder = Decoder::new(ContentFormat::TEXT, path, value.as_bytes(), &types)
        .map_err(|error| wrong(error.kind.to_string()))?;
    match decoder.next() {
        Some(Ok(record)) => Ok(OwnedRecord::from(&record)),
        Some(Err(error)) => Err(wrong(error.kind.to_string())),
        None => Err(wrong("no value".into())),
    }
}

/// The longest path that all records share; a value alone is its own.
fn shared(records: &[OwnedRecord]) -> Path {
    let Some(first) = records.first() else {
        return Path::ROOT;
    };
    let mut base = first.path;
    while !records.iter().all(|record| base.contains(&record.path)) {
        base = base.parent().unwrap_or(Path::ROOT);
    }
    base
}

fn encode(
    format: ContentFormat,
    base: Path,
    layout: Layout,
    records: &[OwnedRecord],
) -> Result<Vec<u8>, EncodeError> {
    let mut size = 1024;
    loop {
        let mut buf = vec![0; size];
        match encode_into(&mut buf, format, base, layout, records) {
            Err(EncodeError::BufferTooSmall { .. }) if size < MAX_PAYLOAD => size *= 4,
            result => {
                buf.truncate(result?);
                return Ok(buf);
            }
        }
    }
}

fn encode_into(
    buf: &mut [u8],
    format: ContentFormat,
    base: Path,
    layout: Layout,
    records: &[OwnedRecord],
) -> Result<usize, EncodeError> {
    let mut encoder = Encoder::with_layout(format, base, buf, layout)?;
    for record in records {
        encoder.push(&record.as_record())?;
    }
    encoder.finish()
}
