//! Any bytes as SenML-ETCH CBOR, beside ciborium.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(senml_etch_cbor);
