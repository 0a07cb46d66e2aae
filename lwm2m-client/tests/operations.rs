//! What a server may do with the objects of a device, and what it may not.

mod common;

use common::{Answer, SECOND, World, get, on};
use lwm2m_client::{Event, Operation};
use lwm2m_coap::Draft;
use lwm2m_codec::{ContentFormat, Decoder, NoTypes, Path, coap::Code};
use lwm2m_model::{
    Failure, Outcome, Ticket, Typed,
    objects::{Temperature, TestObject},
};

const SENML: ContentFormat = ContentFormat::SENML_JSON;

fn senml(method: Code, path: &str, json: &str) -> Draft {
    on(method, path).content(SENML, json.as_bytes().to_vec())
}

fn text(path: &str, value: &str) -> Draft {
    on(Code::PUT, path).content(ContentFormat::TEXT, value.as_bytes().to_vec())
}

fn read(world: &mut World, path: &str) -> Answer {
    let answer = world.ask(get(path).accept(SENML));
    assert_eq!(answer.code, Code::CONTENT, "{path}");
    answer
}

/// Asserts a refusal and that its diagnostic payload names the path.
fn refused(answer: &Answer, code: Code, names: &str) {
    assert_eq!(answer.code, code, "{}", answer.text());
    assert!(answer.text().contains(names), "{}", answer.text());
}

#[test]
fn a_single_resource_is_read_as_text_when_the_server_states_no_format() {
    let mut world = World::registered();
    let answer = world.ask(get("/3303/0/5700"));
    assert_eq!(
        (answer.code, answer.format),
        (Code::CONTENT, Some(ContentFormat::TEXT))
    );
    assert_eq!(answer.text(), "21.5");
}

#[test]
fn an_object_is_read_in_each_format_that_carries_several_values() {
    let mut world = World::registered();
    for format in [
        ContentFormat::TLV,
        ContentFormat::SENML_JSON,
        ContentFormat::SENML_CBOR,
        ContentFormat::OMA_JSON,
        ContentFormat::LWM2M_CBOR,
    ] {
        for path in ["/3", "/3/0", "/3/0/6", "/3/0/6/1"] {
            let answer = world.ask(get(path).accept(format));
            assert_eq!(
                (answer.code, answer.format),
                (Code::CONTENT, Some(format)),
                "{path}"
            );
            let base: Path = path.parse().unwrap();
            let tree = common::tree();
            let records: Vec<_> = Decoder::new(format, base, &answer.body, &tree)
                .unwrap()
                .map(|record| record.unwrap())
                .collect();
            assert!(!records.is_empty() && records.iter().all(|r| base.contains(&r.path)));
            assert!(
                records
                    .iter()
                    .any(|r| r.path == Path::resource_instance(3, 0, 6, 1))
            );
        }
    }
}

#[test]
fn a_format_that_cannot_carry_the_target_is_not_acceptable() {
    let mut world = World::registered();
    refused(
        &world.ask(get("/3/0").accept(ContentFormat::TEXT)),
        Code::NOT_ACCEPTABLE,
        "/3/0",
    );
    refused(
        &world.ask(get("/3/0/0").accept(ContentFormat::OPAQUE)),
        Code::NOT_ACCEPTABLE,
        "/3/0/0",
    );
    refused(
        &world.ask(get("/3/0").accept(ContentFormat(9999))),
        Code::NOT_ACCEPTABLE,
        "9999",
    );
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut world = World::registered();
    for path in ["/99", "/3/1", "/3/0/99", "/3/0/17", "/3/0/6/7", "/abc"] {
        assert_eq!(world.ask(get(path)).code, Code::NOT_FOUND, "{path}");
    }
}

#[test]
fn no_operation_reaches_the_security_object() {
    let mut world = World::registered();
    for draft in [
        get("/0"),
        get("/0/0/5"),
        get("/0/0").accept(ContentFormat::LINK),
        get("/0/0/0").observe(0),
        text("/0/0/0", "coap://evil"),
        on(Code::PUT, "/0/0").query("pmin=1"),
        on(Code::DELETE, "/0/0"),
        on(Code::POST, "/0").content(ContentFormat::TLV, vec![]),
        on(Code::POST, "/0/0/5"),
    ] {
        assert_eq!(
            world.ask(draft.clone()).code,
            Code::UNAUTHORIZED,
            "{draft:?}"
        );
    }
    let answer = world.ask(senml(
        Code::IPATCH,
        "/",
        r#"[{"n":"/0/0/0","vs":"coap://evil"}]"#,
    ));
    assert_eq!(answer.code, Code::UNAUTHORIZED);
}

#[test]
fn a_resource_is_written_and_read_back() {
    let mut world = World::registered();
    assert_eq!(world.ask(text("/3/0/14", "+02:00")).code, Code::CHANGED);
    assert_eq!(world.ask(get("/3/0/14")).text(), "+02:00");
    let changed = Event::Changed {
        server: 1,
        path: Path::resource(3, 0, 14),
        operation: Operation::Write,
    };
    assert_eq!(world.events(), [changed]);
}

#[test]
fn a_read_only_resource_cannot_be_written_nor_an_executable_read() {
    let mut world = World::registered();
    refused(
        &world.ask(text("/3/0/0", "Evil")),
        Code::METHOD_NOT_ALLOWED,
        "/3/0/0",
    );
    refused(
        &world.ask(get("/3/0/4")),
        Code::METHOD_NOT_ALLOWED,
        "/3/0/4",
    );
    assert_eq!(world.ask(get("/3/0/0")).text(), "Open Mobile Alliance");
}

#[test]
fn a_value_of_the_wrong_type_or_range_is_a_bad_request() {
    let mut world = World::registered();
    refused(
        &world.ask(text("/1/0/1", "soon")),
        Code::BAD_REQUEST,
        "/1/0/1",
    );
    refused(
        &world.ask(text("/3442/0/120", "1.5")),
        Code::BAD_REQUEST,
        "/3442/0/120",
    );
    let unknown = on(Code::PUT, "/3/0/14").content(ContentFormat(9999), b"x".to_vec());
    refused(
        &world.ask(unknown),
        Code::UNSUPPORTED_CONTENT_FORMAT,
        "9999",
    );
}

#[test]
fn replace_removes_what_the_payload_does_not_name_and_update_keeps_it() {
    let mut world = World::registered();
    let payload = r#"[{"bn":"/3442/0/","n":"120","v":7},{"n":"1120/1","v":11}]"#;
    assert_eq!(
        world.ask(senml(Code::POST, "/3442/0", payload)).code,
        Code::CHANGED
    );
    let before = read(&mut world, "/3442/0").text().to_owned();
    assert!(
        before.contains("initial value") && before.contains(r#""n":"1120/3""#),
        "{before}"
    );
    assert_eq!(
        world.ask(senml(Code::PUT, "/3442/0", payload)).code,
        Code::CHANGED
    );
    let after = read(&mut world, "/3442/0").text().to_owned();
    assert!(
        !after.contains("initial value") && !after.contains(r#""n":"1120/3""#),
        "{after}"
    );
    assert!(after.contains(r#""n":"120","v":7"#), "{after}");
}

#[test]
fn a_write_of_several_resources_is_all_or_nothing() {
    let mut world = World::registered();
    let payload = r#"[{"bn":"/3442/0/","n":"120","v":7},{"n":"150","vs":"no number"}]"#;
    assert_eq!(
        world.ask(senml(Code::POST, "/3442/0", payload)).code,
        Code::BAD_REQUEST
    );
    assert_eq!(world.ask(get("/3442/0/120")).text(), "1024");
}

#[test]
fn a_resource_instance_is_read_written_and_deleted() {
    let mut world = World::registered();
    assert_eq!(world.ask(get("/3442/0/1120/3")).text(), "30");
    assert_eq!(world.ask(text("/3442/0/1120/3", "31")).code, Code::CHANGED);
    assert_eq!(world.ask(get("/3442/0/1120/3")).text(), "31");
    // TS-Core §6.3.3: the Resource Instance must exist.
    assert_eq!(world.ask(text("/3442/0/1120/9", "1")).code, Code::NOT_FOUND);
    assert_eq!(
        world.ask(on(Code::DELETE, "/3442/0/1120/3")).code,
        Code::DELETED
    );
    assert_eq!(world.ask(get("/3442/0/1120/3")).code, Code::NOT_FOUND);
    assert_eq!(
        world.ask(on(Code::DELETE, "/3442/0/1120")).code,
        Code::METHOD_NOT_ALLOWED
    );
}

#[test]
fn a_resource_instance_may_be_written_by_post_too() {
    let mut world = World::registered();
    let post = |path: &str, value: &str| {
        on(Code::POST, path).content(ContentFormat::TEXT, value.as_bytes().to_vec())
    };
    assert_eq!(world.ask(post("/3442/0/1120/3", "31")).code, Code::CHANGED);
    assert_eq!(world.ask(get("/3442/0/1120/3")).text(), "31");
    refused(
        &world.ask(post("/3442/0/1120/9", "31")),
        Code::NOT_FOUND,
        "/3442/0/1120/9",
    );
}

#[test]
fn an_executable_gets_its_arguments() {
    let mut world = World::registered();
    assert_eq!(world.ask(on(Code::POST, "/3/0/4")).code, Code::CHANGED);
    let bad = on(Code::POST, "/3/0/4").content(ContentFormat::TEXT, b"x='".to_vec());
    refused(&world.ask(bad), Code::BAD_REQUEST, "/3/0/4");
    refused(
        &world.ask(on(Code::POST, "/3/0/0")),
        Code::METHOD_NOT_ALLOWED,
        "/3/0/0",
    );
}

#[test]
fn a_deferred_execute_is_acknowledged_now_and_answered_later() {
    let mut world = World::registered();
    let (tickets, taken) = std::sync::mpsc::channel::<(Ticket, Vec<u8>)>();
    let now = world.net.now();
    world.client().change(now, |tree| {
        tree.insert(
            Typed::new()
                .with(0, TestObject::default())
                .with_executable(0)
                .on_execute(move |_, arguments, ticket| {
                    let _ = tickets.send((ticket, arguments.to_vec()));
                    Outcome::Later
                }),
        );
    });
    for (result, code) in [
        (Ok(()), Code::CHANGED),
        (
            Err(Failure::not_allowed(Path::resource(3442, 0, 0))),
            Code::METHOD_NOT_ALLOWED,
        ),
    ] {
        let now = world.net.now();
        let draft = on(Code::POST, "/3442/0/0").content(ContentFormat::TEXT, b"0='reset'".to_vec());
        let (id, _) = world.script().send(now, draft);
        world.run(SECOND * 30);
        assert!(
            world
                .script()
                .responses
                .iter()
                .all(|(other, _)| *other != id)
        );
        let (ticket, arguments) = taken.try_recv().unwrap();
        assert_eq!(arguments, b"0='reset'");
        let now = world.net.now();
        assert!(world.client().answer(now, ticket, result));
        world.run(SECOND);
        assert_eq!(world.script().responses.last().unwrap().1.code, code);
    }
}

#[test]
fn a_deferred_answer_that_does_not_come_becomes_5_03() {
    let mut world = World::registered();
    let now = world.net.now();
    world.client().change(now, |tree| {
        let object = Typed::new()
            .with(0, TestObject::default())
            .with_executable(0);
        tree.insert(object.on_execute(|_, _, _| Outcome::Later));
    });
    let now = world.net.now();
    world.script().send(now, on(Code::POST, "/3442/0/0"));
    world.run(SECOND * 61);
    assert_eq!(
        world.script().responses.last().unwrap().1.code,
        Code::SERVICE_UNAVAILABLE
    );
    assert!(!world.client().answer(now, Ticket(1), Ok(())));
}

#[test]
fn an_instance_is_created_with_the_id_that_the_payload_names_or_the_next_free_one() {
    let mut world = World::registered();
    let named = r#"[{"bn":"/3303/7/","n":"5700","v":1.5},{"n":"5750","vs":"Kitchen"}]"#;
    let answer = world.ask(senml(Code::POST, "/3303", named));
    assert_eq!(
        (answer.code, answer.location.as_str()),
        (Code::CREATED, "/3303/7")
    );
    assert_eq!(world.ask(get("/3303/7/5750")).text(), "Kitchen");
    refused(
        &world.ask(senml(Code::POST, "/3303", named)),
        Code::BAD_REQUEST,
        "/3303/7",
    );
    // TLV without an Object Instance: the device chooses.
    let tlv = [0xe6, 0x16, 0x76, b'R', b'o', b'o', b'm', b'-', b'1'];
    let create = on(Code::POST, "/3303").content(ContentFormat::TLV, tlv.to_vec());
    let answer = world.ask(create);
    assert_eq!(
        (answer.code, answer.location.as_str()),
        (Code::CREATED, "/3303/1")
    );
    assert_eq!(world.ask(get("/3303/1/5750")).text(), "Room-1");
}

#[test]
fn a_single_instance_object_gets_no_second_instance_and_the_device_object_stays() {
    let mut world = World::registered();
    let create = on(Code::POST, "/3").content(ContentFormat::TLV, vec![]);
    assert_eq!(world.ask(create).code, Code::BAD_REQUEST);
    assert_eq!(
        world.ask(on(Code::DELETE, "/3/0")).code,
        Code::METHOD_NOT_ALLOWED
    );
    assert_eq!(
        world.ask(on(Code::DELETE, "/3303")).code,
        Code::METHOD_NOT_ALLOWED
    );
    assert_eq!(world.ask(on(Code::DELETE, "/3303/0")).code, Code::DELETED);
    assert_eq!(world.ask(get("/3303/0")).code, Code::NOT_FOUND);
}

#[test]
fn discover_lists_what_is_there_with_dimensions_versions_and_attributes() {
    let mut world = World::registered();
    assert_eq!(
        world.ask(on(Code::PUT, "/3303/0").query("pmin=5")).code,
        Code::CHANGED
    );
    let write = on(Code::PUT, "/3303/0/5700").query("gt=30").query("st=0.5");
    assert_eq!(world.ask(write).code, Code::CHANGED);
    let discover = |path: &str| get(path).accept(ContentFormat::LINK);
    let answer = world.ask(discover("/3303"));
    assert_eq!(
        (answer.code, answer.format),
        (Code::CONTENT, Some(ContentFormat::LINK))
    );
    assert_eq!(
        answer.text(),
        "</3303>;ver=1.1,</3303/0>;pmin=5,</3303/0/5700>;gt=30;st=0.5"
    );
    let answer = world.ask(discover("/3303/0/5700"));
    assert_eq!(answer.text(), "</3303/0/5700>;pmin=5;gt=30;st=0.5");
    let answer = world.ask(discover("/3/0"));
    assert!(
        answer.text().contains("</3/0/6>;dim=2"),
        "{}",
        answer.text()
    );
    let answer = world.ask(discover("/3/0").query("depth=0"));
    assert_eq!(answer.text(), "</3/0>");
}

#[test]
fn attributes_that_contradict_each_other_or_do_not_fit_are_refused() {
    let mut world = World::registered();
    for (path, query) in [
        ("/3303/0/5700", "gt=1&lt=2"),
        ("/3303/0/5700", "unknown=1"),
        ("/3303/0/5700", "pmin=x"),
        ("/3303/0", "gt=3"),
        // Neither is a number.
        ("/3/0/14", "gt=3"),
        ("/3/0/14", "st=1"),
    ] {
        let draft = query
            .split('&')
            .fold(on(Code::PUT, path), |draft, q| draft.query(q));
        assert_eq!(world.ask(draft).code, Code::BAD_REQUEST, "{path}?{query}");
    }
    assert_eq!(
        world
            .ask(on(Code::PUT, "/3303/0/5700").query("pmin=1"))
            .code,
        Code::CHANGED
    );
    assert_eq!(
        world.ask(on(Code::PUT, "/3303/0/5700").query("pmin")).code,
        Code::CHANGED
    );
    let answer = world.ask(get("/3303/0/5700").accept(ContentFormat::LINK));
    assert_eq!(answer.text(), "</3303/0/5700>");
}

#[test]
fn read_composite_answers_what_is_there_and_leaves_out_the_rest() {
    let mut world = World::registered();
    let paths = r#"[{"n":"/3303/0/5700"},{"n":"/3/0/0"},{"n":"/99/0"},{"n":"/0/0/5"}]"#;
    let answer = world.ask(senml(Code::FETCH, "/", paths).accept(SENML));
    assert_eq!((answer.code, answer.format), (Code::CONTENT, Some(SENML)));
    let mut names = Vec::new();
    for record in Decoder::new(SENML, Path::ROOT, &answer.body, &NoTypes).unwrap() {
        names.push(record.unwrap().path.to_string());
    }
    assert_eq!(names, ["/3/0/0", "/3303/0/5700"]);
}

#[test]
fn write_composite_is_atomic_over_objects() {
    let mut world = World::registered();
    let good = r#"[{"n":"/3/0/14","vs":"+05:00"},{"n":"/3442/0/120","v":5}]"#;
    assert_eq!(
        world.ask(senml(Code::IPATCH, "/", good)).code,
        Code::CHANGED
    );
    assert_eq!(world.ask(get("/3442/0/120")).text(), "5");
    let bad = r#"[{"n":"/3442/0/120","v":6},{"n":"/3/0/0","vs":"Evil"}]"#;
    assert_eq!(
        world.ask(senml(Code::IPATCH, "/", bad)).code,
        Code::METHOD_NOT_ALLOWED
    );
    assert_eq!(world.ask(get("/3442/0/120")).text(), "5");
}

#[test]
fn a_large_value_is_written_and_read_in_blocks() {
    let mut world = World::registered();
    let large: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    let write = on(Code::PUT, "/3442/0/150").content(ContentFormat::OPAQUE, large.clone());
    assert_eq!(world.ask(write).code, Code::CHANGED);
    let answer = world.ask(get("/3442/0/150"));
    assert_eq!((answer.code, answer.body), (Code::CONTENT, large));
    let too_large = vec![0; 17 * 1024];
    let write = on(Code::PUT, "/3442/0/150").content(ContentFormat::OPAQUE, too_large);
    assert_eq!(world.ask(write).code, Code::REQUEST_ENTITY_TOO_LARGE);
}

#[test]
fn a_send_carries_the_values_and_is_refused_when_it_is_muted() {
    let mut world = World::registered();
    let now = world.net.now();
    world
        .client()
        .send(now, 1, &[Path::resource(3303, 0, 5700)])
        .unwrap();
    world.run(SECOND);
    let got = world.script().got[0].clone();
    assert_eq!(
        (got.path.as_str(), got.format),
        ("/dp", Some(ContentFormat::SENML_CBOR))
    );
    assert_eq!(
        world.events(),
        [Event::Sent {
            server: 1,
            result: Ok(())
        }]
    );
    assert_eq!(world.ask(text("/1/0/23", "1")).code, Code::CHANGED);
    let muted = world
        .client()
        .send(now, 1, &[Path::resource(3303, 0, 5700)]);
    assert_eq!(muted, Err(lwm2m_client::SendError::Muted(1)));
    let unknown = world.client().send(now, 9, &[]);
    assert_eq!(unknown, Err(lwm2m_client::SendError::NotRegistered(9)));
}

#[test]
fn values_collected_offline_are_sent_later_with_their_times_and_once() {
    let mut world = World::registered();
    let path = Path::resource(3303, 0, 5700);
    let start = world.net.now();
    world.client().set_unix_time(start, 1_700_000_000);
    world.client().collect(start, &[path]).unwrap();
    world.run(SECOND * 2);
    let now = world.net.now();
    world
        .client()
        .update_object(now, 0, |t: &mut Temperature| t.sensor_value = 30.5);
    assert_eq!(world.client().collect(now, &[path]), Ok(1));
    for format in [ContentFormat::SENML_JSON, ContentFormat::SENML_CBOR] {
        world.client().send_collected(now, 1, format).unwrap();
    }
    world.run(SECOND);
    let got = world.script().got.clone();
    let sent: Vec<_> = got.iter().filter(|got| got.path == "/dp").collect();
    assert_eq!(sent.len(), 2);
    for request in sent {
        let format = request.format.unwrap();
        let records = Decoder::new(format, Path::ROOT, &request.body, &NoTypes);
        let times: Vec<_> = records.unwrap().map(|r| r.unwrap().time.unwrap()).collect();
        assert_eq!(times, [1_700_000_000.0, 1_700_000_002.0], "{format}");
    }
    assert_eq!(world.client().collected(), 0);
    let again = world
        .client()
        .send_collected(now, 1, ContentFormat::SENML_CBOR);
    assert_eq!(again, Err(lwm2m_client::SendError::Nothing(1)));
}

#[test]
fn without_a_clock_the_times_of_collected_values_are_relative_to_the_send() {
    let mut world = World::registered();
    let path = Path::resource(3303, 0, 5700);
    let start = world.net.now();
    world.client().collect(start, &[path]).unwrap();
    world.run(SECOND * 3);
    let now = world.net.now();
    let tlv = world.client().send_collected(now, 1, ContentFormat::TLV);
    assert_eq!(
        tlv,
        Err(lwm2m_client::SendError::Format(ContentFormat::TLV))
    );
    let format = ContentFormat::SENML_JSON;
    world.client().send_collected(now, 1, format).unwrap();
    world.run(SECOND);
    let body = world.script().got[0].body.clone();
    let mut records = Decoder::new(format, Path::ROOT, &body, &NoTypes).unwrap();
    assert_eq!(records.next().unwrap().unwrap().time, Some(-3.0));
}

#[test]
fn of_more_collected_values_than_there_is_room_for_the_oldest_go() {
    let mut world = World::registered();
    let path = Path::resource(3303, 0, 5700);
    let now = world.net.now();
    for _ in 0..300 {
        world.client().collect(now, &[path]).unwrap();
    }
    assert_eq!(world.client().collected(), 256);
    assert!(world.client().collect(now, &[Path::object(9)]).is_err());
}
