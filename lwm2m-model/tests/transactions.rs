//! Nested transactions against a model: random operations, and snapshots of all values.

use std::ops::ControlFlow;

use lwm2m_codec::{Path, Value};
use lwm2m_model::{Dynamic, Registry, Tree, Typed, objects::TestObject};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Begin,
    Commit,
    Rollback,
    Create(u16),
    Delete(Path),
    Write(Path, i64),
    WriteEmpty(Path),
    Clear(Path),
}

/// A typed object with a few resources: one value, several values, one of them in each step.
const OBJECTS: [u16; 2] = [3442, 3303];

fn instance() -> impl Strategy<Value = Path> {
    (prop::sample::select(OBJECTS.to_vec()), 0..3_u16).prop_map(|(o, i)| Path::instance(o, i))
}

fn resource() -> impl Strategy<Value = Path> {
    let ids = prop::sample::select(vec![120, 130, 1120, 5700, 6042]);
    (instance(), ids).prop_filter_map("too deep", |(path, id)| path.child(id))
}

fn value_place() -> impl Strategy<Value = Path> {
    (resource(), 0..3_u16).prop_map(|(path, ri)| match path.resource_id() {
        Some(1120) => path.child(ri).unwrap_or(path),
        _ => path,
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Begin),
        1 => Just(Step::Commit),
        1 => Just(Step::Rollback),
        3 => instance().prop_map(|path| Step::Create(path.instance_id().unwrap_or_default())),
        1 => prop_oneof![instance(), value_place()].prop_map(Step::Delete),
        6 => (value_place(), 0..30_i64).prop_map(|(path, value)| Step::Write(path, value)),
        1 => resource().prop_map(Step::WriteEmpty),
        1 => resource().prop_map(Step::Clear),
    ]
}

/// All that can be seen of a tree.
fn snapshot(tree: &Tree) -> Vec<String> {
    let mut seen = Vec::new();
    let visited = tree.visit(Path::ROOT, &|_, _| true, &mut |record| {
        seen.push(format!("{record:?}"));
        ControlFlow::Continue(())
    });
    assert!(visited.is_ok());
    seen
}

fn apply(tree: &mut Tree, open: &mut Vec<Vec<String>>, step: Step) -> Result<(), TestCaseError> {
    let before = snapshot(tree);
    let result = match step {
        Step::Begin => {
            tree.begin();
            open.push(before.clone());
            Ok(())
        }
        Step::Commit => {
            let outer = open.pop();
            let result = tree.commit();
            if let (Err(_), Some(outer)) = (&result, outer) {
                prop_assert_eq!(snapshot(tree), outer);
            } else {
                prop_assert_eq!(snapshot(tree), before);
            }
            return Ok(());
        }
        Step::Rollback => {
            tree.rollback();
            prop_assert_eq!(snapshot(tree), open.pop().unwrap_or(before));
            return Ok(());
        }
        Step::Create(id) => tree
            .create(OBJECTS[usize::from(id) % 2], Some(id))
            .map(drop),
        Step::Delete(path) => tree.delete(path),
        Step::Write(path, value) => tree.write(path, Value::Integer(value)),
        Step::WriteEmpty(path) => tree.write_empty(path),
        Step::Clear(path) => tree.clear(path),
    };
    // What fails changes nothing.
    if result.is_err() {
        prop_assert_eq!(snapshot(tree), before);
    }
    prop_assert_eq!(tree.in_transaction(), !open.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn every_rollback_returns_to_where_its_transaction_began(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let definition = Registry::core().latest(3303).expect("a core object").clone();
        let mut sensors = Dynamic::new(definition);
        sensors.insert(0);
        let mut tree = Tree::new();
        tree.insert(Typed::new().with(0, TestObject::default()));
        tree.insert(sensors);
        let first = snapshot(&tree);
        tree.begin();
        let mut open = vec![first];
        for step in steps {
            apply(&mut tree, &mut open, step)?;
        }
        while let Some(begun) = open.pop() {
            tree.rollback();
            prop_assert_eq!(snapshot(&tree), begun);
        }
    }
}
