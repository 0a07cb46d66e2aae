//! Bootstrap-Read (TS-Core §6.1.7.3).

use alloc::string::ToString;
use core::ops::ControlFlow;

use lwm2m_coap::Draft;
use lwm2m_codec::{ContentFormat, EncodeError, Encoder, Path, coap::Code};
use lwm2m_model::{Failure, Tree};

use super::{Answer, Refusal, encode_refusal};
use crate::{buffer, view::id};

/// Reads the Server or Access Control object, or an instance of them; nothing else can be read.
pub(super) fn read(tree: &Tree, path: Path, format: ContentFormat, max: usize) -> Answer {
    if !matches!(
        *path.ids(),
        [id::SERVER | id::ACCESS_CONTROL] | [id::SERVER | id::ACCESS_CONTROL, _]
    ) {
        return Err(Refusal::new(
            Code::METHOD_NOT_ALLOWED,
            "Bootstrap-Read takes /1 or /2, or an instance of them",
        ));
    }
    if !tree.contains(path) {
        return Err(Refusal::new(Code::NOT_FOUND, "there is nothing here"));
    }
    let mut failure = None;
    let result = buffer::encode(max, |buf| write(tree, path, format, buf, &mut failure));
    if let Some(failure) = failure {
        return Err(Refusal::new(failure.code, failure.to_string()));
    }
    let payload = result.map_err(encode_refusal)?;
    Ok(Draft::new(Code::CONTENT).content(format, payload))
}

fn write(
    tree: &Tree,
    path: Path,
    format: ContentFormat,
    buf: &mut [u8],
    failure: &mut Option<Failure>,
) -> Result<usize, EncodeError> {
    let mut encoder = Encoder::new(format, path, buf)?;
    let mut error = None;
    // All resources: access control does not apply to the bootstrap server.
    let visited = tree.visit(
        path,
        &|_, _| true,
        &mut |record| match encoder.push(record) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => {
                error = Some(e);
                ControlFlow::Break(())
            }
        },
    );
    *failure = visited.err();
    match error {
        Some(error) => Err(error),
        None => encoder.finish(),
    }
}
