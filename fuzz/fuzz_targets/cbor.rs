//! Any bytes as one CBOR value, beside ciborium.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(cbor);
