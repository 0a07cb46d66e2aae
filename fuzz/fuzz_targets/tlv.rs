//! Any bytes as TLV.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(tlv);
