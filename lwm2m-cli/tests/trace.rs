//! `--trace`: all messages in words, and no key among them.

mod common;

use std::path::PathBuf;

use common::{Folder, Process};

const KEY: &str = "101112131415161718191a1b1c1d1e1f";
const BOOT_KEY: &str = "909192939495969798999a9b9c9d9e9f";
const IDENTITY: &str = "identity-of-the-device";

#[test]
fn a_bootstrap_and_a_registration_are_told_on_all_sides_without_a_key() {
    let folder = Folder::new();
    let logs: [PathBuf; 3] =
        ["server", "bootstrap", "client"].map(|name| folder.write(name, "").into());
    let psk = format!("dev,{IDENTITY},{KEY}");
    let server = Process::start_with_log(
        &[
            "server",
            "--coaps",
            "127.0.0.1:0",
            "--no-http",
            "--psk",
            &psk,
            "--trace",
        ],
        &logs[0],
    );
    let text = format!(
        "[[endpoint]]\nname = 'dev'\npsk = {{ identity = 'dev', key = '{BOOT_KEY}' }}\n\
         delete = ['/1']\n[[endpoint.server]]\nssid = 7\nuri = 'coaps://{}'\n\
         psk = {{ identity = '{IDENTITY}', key = '{KEY}' }}\nlifetime = 300\n",
        server.addresses().coaps.unwrap()
    );
    let config = folder.write("bootstrap.toml", &text);
    let bootstrap = Process::start_with_log(
        &[
            "bootstrap-server",
            "--coaps",
            "127.0.0.1:0",
            "--config",
            &config,
            "--trace",
        ],
        &logs[1],
    );
    let uri = format!("coaps://{}", bootstrap.addresses().coaps.unwrap());
    let arguments = [
        "client",
        "--endpoint",
        "dev",
        "--bootstrap",
        &uri,
        "--psk-key",
        BOOT_KEY,
        "--trace",
    ];
    let device = Process::start_with_log(&arguments, &logs[2]);
    device.line("registered");
    server.line("registered");
    let texts = logs.map(|log| std::fs::read_to_string(log).unwrap());
    let bytes: String = (0x10..0x20u8).map(char::from).collect();
    for text in &texts {
        for secret in [KEY, BOOT_KEY, IDENTITY, &bytes] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    let [server, bootstrap, client] = &texts;
    assert!(server.contains(" CON 0.02 POST, mid "), "{server}");
    assert!(server.contains("Uri-Query \"ep=dev\""), "{server}");
    for (text, way) in [(bootstrap, "->"), (client, "<-")] {
        let write = text
            .lines()
            .find(|line| line.contains(" 0.03 PUT, ") && line.contains(", /0/"));
        assert!(write.is_some_and(|line| line.contains(way)), "{text}");
        assert!(text.contains("Secret Key = (secret)"), "{text}");
        assert!(text.contains("Lifetime = 300 s"), "{text}");
    }
}
