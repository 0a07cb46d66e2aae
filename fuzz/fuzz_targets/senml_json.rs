//! Any bytes as SenML JSON, beside serde_json.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(senml_json);
