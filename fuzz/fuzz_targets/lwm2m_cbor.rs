//! Any bytes as LwM2M CBOR, beside ciborium.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(lwm2m_cbor);
