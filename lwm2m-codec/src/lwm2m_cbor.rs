//! LwM2M CBOR: `application/vnd.oma.lwm2m+cbor` (TS-Core §7.5.4).

mod decode;
mod encode;

pub(crate) use decode::LwCborDecoder;
pub(crate) use encode::LwCborEncoder;
