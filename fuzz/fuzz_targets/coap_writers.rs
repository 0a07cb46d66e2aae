//! Any sequence of calls of the writers of CoAP messages, over UDP and TCP.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(coap_writers);
