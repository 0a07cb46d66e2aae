//! Read, Discover and Read-Composite (TS-Core §6.3.1, §6.3.2, §6.3.8).

use alloc::{format, string::ToString, vec::Vec};
use core::ops::ControlFlow;

use lwm2m_coap::Draft;
use lwm2m_codec::{
    ContentFormat, Decoder, EncodeError, Encoder, NoTypes, Path, Type, Version, coap::Code,
};
use lwm2m_model::{Failure, ResourceDefinition, Tree};

use crate::{
    Client, Operation,
    links::{Discover, grown},
    requests::{Answer, Request},
};

type Answered = Result<Answer, Failure>;

impl Client {
    pub(crate) fn read(&mut self, request: &Request<'_>) -> Answered {
        let (format, payload) = self.read_payload(request, Operation::Read)?;
        let draft = Draft::new(Code::CONTENT).content(format, payload);
        Ok(Answer::Now(self.etag(request.path, draft)))
    }

    /// The payload that a Read, or the first answer of an Observe, carries.
    pub(crate) fn read_payload(
        &self,
        request: &Request<'_>,
        operation: Operation,
    ) -> Result<(ContentFormat, Vec<u8>), Failure> {
        let path = request.path;
        if path.is_root() {
            return Err(Failure::not_allowed(path));
        }
        self.authorize(request.link, operation, path)?;
        if let Some(definition) = self.tree.resource_definition(path) {
            if !definition.operations.read {
                return Err(Failure::not_allowed(path));
            }
        }
        let format = self.answer_format(request.version, path, request.accept)?;
        let payload = self.encode(path, format)?;
        Ok((format, payload))
    }

    /// The format of an answer: what the server accepts, or else the device's choice.
    fn answer_format(
        &self,
        version: Version,
        path: Path,
        accept: Option<ContentFormat>,
    ) -> Result<ContentFormat, Failure> {
        if let Some(format) = accept {
            let single = self.is_single_value(path);
            let opaque = self.data_type(path) == Some(Type::Opaque);
            let fits = match format {
                ContentFormat::TEXT | ContentFormat::CBOR => single,
                ContentFormat::OPAQUE => single && opaque,
                ContentFormat::TLV
                | ContentFormat::OMA_JSON
                | ContentFormat::SENML_JSON
                | ContentFormat::SENML_CBOR
                | ContentFormat::LWM2M_CBOR => true,
                _ => false,
            };
            let reason = || format!("{format} is not supported for this target");
            return match fits {
                true => Ok(format),
                false => Err(Failure::new(Code::NOT_ACCEPTABLE, path, reason())),
            };
        }
        if self.is_single_value(path) {
            return Ok(match self.data_type(path) {
                Some(Type::Opaque) => ContentFormat::OPAQUE,
                _ => ContentFormat::TEXT,
            });
        }
        Ok(match version {
            Version::V1_0 => ContentFormat::TLV,
            _ => self.config.preferred_format,
        })
    }

    fn data_type(&self, path: Path) -> Option<Type> {
        self.tree.resource_definition(path)?.data_type
    }

    /// True for a single-instance resource or a resource instance.
    fn is_single_value(&self, path: Path) -> bool {
        let definition = self.tree.resource_definition(path);
        path.len() == 4 || definition.is_some_and(|definition| !definition.multiple)
    }

    /// Encodes what a server may read at a path.
    pub(crate) fn encode(&self, path: Path, format: ContentFormat) -> Result<Vec<u8>, Failure> {
        if !self.tree.contains(path) {
            return Err(Failure::not_found(path));
        }
        let result = grown(self.config.coap.max_body, |buf| {
            let mut encoder = Encoder::new(format, path, buf)?;
            push_readable(&self.tree, path, format, &mut encoder)?;
            encoder.finish()
        });
        result.map_err(|error| encode_failure(path, &error))
    }

    /// Encodes several paths into one payload; those that can't be read are left out.
    pub(crate) fn encode_composite(
        &self,
        paths: &[Path],
        format: ContentFormat,
    ) -> Result<Vec<u8>, Failure> {
        let result = grown(self.config.coap.max_body, |buf| {
            let mut encoder = Encoder::new(format, Path::ROOT, buf)?;
            for path in paths.iter().filter(|path| self.tree.contains(**path)) {
                push_readable(&self.tree, *path, format, &mut encoder)?;
            }
            encoder.finish()
        });
        result.map_err(|error| encode_failure(Path::ROOT, &error))
    }

    pub(crate) fn read_composite(&mut self, request: &Request<'_>) -> Answered {
        let (format, paths) = self.composite_target(request)?;
        let payload = self.encode_composite(&paths, format)?;
        Ok(Answer::Now(
            Draft::new(Code::CONTENT).content(format, payload),
        ))
    }

    /// The paths that a FETCH names, in path order and each once, and the format of the answer.
    pub(crate) fn composite_target(
        &self,
        request: &Request<'_>,
    ) -> Result<(ContentFormat, Vec<Path>), Failure> {
        let root = request.path;
        if !root.is_root() {
            return Err(Failure::not_allowed(root));
        }
        let format = match request.accept.unwrap_or(ContentFormat::SENML_CBOR) {
            format @ (ContentFormat::SENML_CBOR
            | ContentFormat::SENML_JSON
            | ContentFormat::LWM2M_CBOR) => format,
            format => {
                let reason = format!("{format} is not supported for composites");
                return Err(Failure::new(Code::NOT_ACCEPTABLE, root, reason));
            }
        };
        let payload_format = composite_format(request)?;
        let decoder = Decoder::new(payload_format, Path::ROOT, request.body, &NoTypes);
        let bad = |error: lwm2m_codec::DecodeError| Failure::bad_request(root, error.to_string());
        let mut paths = Vec::new();
        for record in decoder.map_err(bad)? {
            paths.push(record.map_err(bad)?.path);
        }
        if paths.iter().all(|path| Self::is_protected(*path)) && !paths.is_empty() {
            let reason = "no server may access these objects";
            return Err(Failure::new(Code::UNAUTHORIZED, root, reason));
        }
        paths.retain(|path| !Self::is_protected(*path));
        paths.sort_unstable();
        // A path inside of another one adds nothing.
        let mut last: Option<Path> = None;
        paths.retain(|path| {
            let new = !last.is_some_and(|last| last.contains(path));
            if new {
                last = Some(*path);
            }
            new
        });
        Ok((format, paths))
    }

    pub(crate) fn discover(&mut self, request: &Request<'_>) -> Answered {
        let path = request.path;
        if path.is_root() || path.len() == 4 {
            return Err(Failure::not_allowed(path));
        }
        self.authorize(request.link, Operation::Discover, path)?;
        // TS-Core §6.3.2: unsupported or malformed depths are ignored.
        let depth = request
            .queries
            .iter()
            .find_map(|query| query.strip_prefix("depth="));
        let depth = depth
            .and_then(|depth| depth.parse().ok())
            .filter(|depth| *depth <= 3);
        let default = match path.len() {
            1 => 2,
            3 if request.version == Version::V1_0 => 0,
            _ => 1,
        };
        let discover = Discover {
            tree: &self.tree,
            attributes: &self.links[request.link].attributes,
            version: request.version,
            path,
            depth: depth.unwrap_or(default),
        };
        let payload = discover.write(self.config.coap.max_body);
        let payload = payload.map_err(|error| encode_failure(path, &error))?;
        Ok(Answer::Now(
            Draft::new(Code::CONTENT).content(ContentFormat::LINK, payload),
        ))
    }
}

/// Format of the body of a composite operation; only SenML can list paths.
pub(crate) fn composite_format(request: &Request<'_>) -> Result<ContentFormat, Failure> {
    match request.format {
        Some(
            format @ (ContentFormat::SENML_CBOR
            | ContentFormat::SENML_JSON
            | ContentFormat::SENML_ETCH_CBOR
            | ContentFormat::SENML_ETCH_JSON),
        ) => Ok(format),
        _ => {
            let reason = "a composite needs a SenML payload";
            Err(Failure::new(
                Code::UNSUPPORTED_CONTENT_FORMAT,
                request.path,
                reason,
            ))
        }
    }
}

/// True for what a server may read.
pub(crate) fn is_readable(path: Path, definition: &ResourceDefinition) -> bool {
    definition.operations.read && !Client::is_protected(path)
}

/// Pushes the values at or below a path that the definitions let a server read.
fn push_readable(
    tree: &Tree,
    path: Path,
    format: ContentFormat,
    encoder: &mut Encoder<'_>,
) -> Result<(), EncodeError> {
    // Only TLV can say that something is empty.
    let empties = format == ContentFormat::TLV;
    let mut result = Ok(());
    let visited = tree.visit(path, &is_readable, &mut |record| {
        if record.value.is_some() || empties {
            result = encoder.push(record);
        }
        if result.is_ok() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    // What vanished or can't be read now is left out.
    if let Err(failure) = visited {
        tracing::debug!(%failure, "left out of an answer");
    }
    result
}

pub(crate) fn encode_failure(path: Path, error: &EncodeError) -> Failure {
    let code = match error {
        EncodeError::NotExpressible { .. } | EncodeError::UnsupportedFormat(_) => {
            Code::NOT_ACCEPTABLE
        }
        _ => Code::INTERNAL_SERVER_ERROR,
    };
    Failure::new(code, path, error.to_string())
}
