//! An object of one's own in a tree: values on demand, and a rule over several of them.

use std::{ops::ControlFlow, sync::Arc};

use lwm2m_codec::{Path, Value, coap::Code};
use lwm2m_model::objects::{ConnectivityStatistics, Device};
use lwm2m_model::{Failure, Object, ObjectDefinition, Outcome, Registry, Ticket, Tree, Typed};

/// Connectivity statistics: the counters are computed, and the period must be even.
#[derive(Debug)]
struct Statistics {
    definition: Arc<ObjectDefinition>,
    period: i64,
    undo: Vec<i64>,
}

impl Statistics {
    fn new() -> Self {
        let definition = Registry::core().latest(7).expect("a core object").clone();
        Self {
            definition,
            period: 0,
            undo: Vec::new(),
        }
    }
}

impl Object for Statistics {
    fn definition(&self) -> &ObjectDefinition {
        &self.definition
    }

    fn next_instance(&self, after: Option<u16>) -> Option<u16> {
        after.is_none().then_some(0)
    }

    fn next_resource(&self, instance: u16, after: Option<u16>) -> Option<u16> {
        [2, 8]
            .into_iter()
            .find(|id| instance == 0 && after.is_none_or(|after| *id > after))
    }

    fn next_resource_instance(&self, _: u16, _: u16, _: Option<u16>) -> Option<u16> {
        None
    }

    fn read(&self, path: Path, sink: &mut dyn FnMut(Value<'_>)) -> Result<(), Failure> {
        match *path.ids() {
            [_, 0, 2] => sink(Value::Integer(6 * 7)),
            [_, 0, 8] => sink(Value::Integer(self.period)),
            _ => return Err(Failure::not_found(path)),
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.undo.push(self.period);
    }

    fn validate(&self) -> Result<(), Failure> {
        match self.period % 2 {
            0 => Ok(()),
            _ => Err(Failure::bad_request(
                Path::resource(7, 0, 8),
                "odd periods don't work",
            )),
        }
    }

    fn commit(&mut self) {
        self.undo.pop();
    }

    fn rollback(&mut self) {
        self.period = self.undo.pop().unwrap_or(self.period);
    }

    fn create(&mut self, instance: u16) -> Result<(), Failure> {
        Err(Failure::not_allowed(Path::instance(7, instance)))
    }

    fn delete(&mut self, path: Path) -> Result<(), Failure> {
        Err(Failure::not_allowed(path))
    }

    fn clear(&mut self, _: u16, _: u16) -> Result<(), Failure> {
        self.period = 0;
        Ok(())
    }

    fn write(&mut self, path: Path, value: Value<'_>) -> Result<(), Failure> {
        match (&*path.ids(), value) {
            ([_, 0, 8], Value::Integer(period)) => self.period = period,
            _ => return Err(Failure::not_allowed(path)),
        }
        Ok(())
    }

    fn execute(&mut self, path: Path, _: &[u8], _: Ticket) -> Outcome {
        Outcome::Fail(Failure::not_found(path))
    }
}

fn tree() -> Tree {
    let mut tree = Tree::new();
    tree.insert(Statistics::new());
    tree.insert(Typed::new().with(0, Device::default()));
    tree
}

#[test]
fn values_on_demand_are_visited_in_order() {
    let mut seen = Vec::new();
    let visited = tree().visit(Path::instance(7, 0), &|_, _| true, &mut |record| {
        seen.push((record.path, format!("{:?}", record.value)));
        ControlFlow::Continue(())
    });
    assert!(visited.is_ok());
    let counter = (Path::resource(7, 0, 2), "Some(Integer(42))".to_owned());
    let period = (Path::resource(7, 0, 8), "Some(Integer(0))".to_owned());
    assert_eq!(seen, [counter, period]);
}

#[test]
fn a_rule_that_fails_undoes_the_changes_of_all_objects() {
    let mut tree = tree();
    let timezone = Path::resource(3, 0, 15);
    tree.begin();
    assert_eq!(tree.write(timezone, Value::string("UTC")), Ok(()));
    assert_eq!(
        tree.write(Path::resource(7, 0, 8), Value::Integer(3)),
        Ok(())
    );
    assert_eq!(
        tree.commit().map_err(|failure| failure.code),
        Err(Code::BAD_REQUEST)
    );
    assert!(!tree.contains(timezone) && !tree.in_transaction());
    assert_eq!(
        tree.write(Path::resource(7, 0, 8), Value::Integer(4)),
        Ok(())
    );
}

#[test]
fn the_object_sees_only_values_of_the_right_type() {
    let mut tree = tree();
    let period = Path::resource(7, 0, 8);
    assert_eq!(tree.write(period, Value::Float(4.0)), Ok(()));
    let failure = tree
        .write(period, Value::string("4"))
        .expect_err("text is no number");
    assert_eq!(failure.reason, "expected an integer");
    assert!(tree.typed::<ConnectivityStatistics>().is_none());
}
