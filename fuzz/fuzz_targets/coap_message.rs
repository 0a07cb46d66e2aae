//! Any bytes as a CoAP message: what parses is written back as the same bytes.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(coap_message);
