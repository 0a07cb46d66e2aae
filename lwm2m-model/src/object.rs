//! The trait through which a device serves an object.

use alloc::{borrow::Cow, format};
use core::{any::Any, fmt};

use lwm2m_codec::{Path, Value, arguments::Arguments, coap::Code};

use crate::ObjectDefinition;

/// Why an operation on an object failed: the response code, and where and why for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code} at {path}: {reason}")]
pub struct Failure {
    /// Response code for the server.
    pub code: Code,
    /// Path that the failure is about.
    pub path: Path,
    /// Reason, sent as diagnostic payload. It must not hold a secret.
    pub reason: Cow<'static, str>,
}

impl Failure {
    /// Makes a failure.
    pub fn new(code: Code, path: Path, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            code,
            path,
            reason: reason.into(),
        }
    }

    /// 4.04: there is nothing at the path.
    pub fn not_found(path: Path) -> Self {
        Self::new(Code::NOT_FOUND, path, "there is nothing at this path")
    }

    /// 4.05: the operation is not allowed on the path.
    pub fn not_allowed(path: Path) -> Self {
        Self::new(
            Code::METHOD_NOT_ALLOWED,
            path,
            "the operation is not allowed here",
        )
    }

    /// 4.00: the request is wrong.
    pub fn bad_request(path: Path, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Code::BAD_REQUEST, path, reason)
    }
}

/// Names a deferred answer; the engine makes one for every Execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What came of an Execute.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Outcome {
    /// Done: 2.04 now.
    Done,
    /// Failed.
    Fail(Failure),
    /// The answer comes later under the ticket that was passed in; without one before the
    /// engine's deadline the server gets 5.03.
    Later,
}

/// An Execute of a resource, as it comes to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The resource.
    pub path: Path,
    /// Arguments in text form, as the server sent them (TS-Core §6.3.5).
    pub arguments: &'a [u8],
    /// Names the answer, if it comes later.
    pub ticket: Ticket,
}

impl<'a> Call<'a> {
    /// Makes one of what a handler of [`Typed::on_execute`](crate::Typed::on_execute) gets.
    pub const fn new(path: Path, arguments: &'a [u8], ticket: Ticket) -> Self {
        Self {
            path,
            arguments,
            ticket,
        }
    }

    /// The Object Instance ID.
    pub fn instance(&self) -> u16 {
        self.path.instance_id().unwrap_or_default()
    }

    /// Reads the arguments.
    ///
    /// # Errors
    /// 4.00 if they are none.
    pub fn parse(&self) -> Result<Arguments<'a>, Failure> {
        Arguments::parse(self.arguments)
            .map_err(|error| Failure::bad_request(self.path, format!("{error}")))
    }

    /// The answer of a resource that can't be executed: 4.05.
    pub fn not_allowed(&self) -> Outcome {
        Outcome::Fail(Failure::not_allowed(self.path))
    }
}

/// Gives a concrete type back from behind `dyn Object`; every `'static` type has it.
///
/// It stands in for the upcast from `dyn Object` to `dyn Any`, which needs Rust 1.86.
pub trait AsAny: Any {
    /// This value as `dyn Any`.
    fn as_any(&self) -> &dyn Any;

    /// This value as mutable `dyn Any`.
    fn as_any_mut(&mut self) -> &mut dyn Any;
}

impl<T: Any> AsAny for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// What a device serves under one Object ID.
///
/// `lwm2m-model` has ready ones for typed and dynamic objects; implement it to compute values on
/// demand. Paths passed in are absolute and always belong to this object.
///
/// # Transactions
/// Every change runs between [`begin`](Object::begin) and [`commit`](Object::commit) or
/// [`rollback`](Object::rollback). `begin` may nest: an operation of a bootstrap runs inside the
/// transaction of the whole bootstrap. `commit` of the inner one keeps its changes for the outer
/// one to decide; `rollback` undoes all since the `begin` that it ends.
pub trait Object: AsAny + fmt::Debug + Send {
    /// The definition.
    fn definition(&self) -> &ObjectDefinition;

    /// The first Object Instance ID above `after`, or the first of all.
    fn next_instance(&self, after: Option<u16>) -> Option<u16>;

    /// The first Resource ID above `after` that exists in an instance, executable ones included.
    fn next_resource(&self, instance: u16, after: Option<u16>) -> Option<u16>;

    /// The first Resource Instance ID above `after` of a multiple-instance resource.
    fn next_resource_instance(
        &self,
        instance: u16,
        resource: u16,
        after: Option<u16>,
    ) -> Option<u16>;

    /// Passes the value at `path`, a single-instance resource or a resource instance, to `sink`,
    /// once.
    ///
    /// # Errors
    /// 4.04 if there is no value.
    fn read(&self, path: Path, sink: &mut dyn FnMut(Value<'_>)) -> Result<(), Failure>;

    /// Starts a transaction.
    fn begin(&mut self);

    /// Checks the state that a commit would leave.
    ///
    /// # Errors
    /// What is wrong with it, such as a missing mandatory resource.
    fn validate(&self) -> Result<(), Failure>;

    /// Ends the innermost transaction and keeps its changes.
    fn commit(&mut self);

    /// Ends the innermost transaction and undoes its changes.
    fn rollback(&mut self);

    /// Makes an Object Instance without values.
    ///
    /// # Errors
    /// 4.00 if it exists or can't be made.
    fn create(&mut self, instance: u16) -> Result<(), Failure>;

    /// Removes an Object Instance, or a Resource Instance of a multiple-instance resource.
    ///
    /// # Errors
    /// 4.04 if there is none, 4.05 if it can't be removed.
    fn delete(&mut self, path: Path) -> Result<(), Failure>;

    /// Removes the value of a resource, all instances of it; what the object can't do without
    /// gets its default. A Write in Replace mode calls it before it writes.
    ///
    /// # Errors
    /// 4.05 if the resource can't be cleared.
    fn clear(&mut self, instance: u16, resource: u16) -> Result<(), Failure>;

    /// Writes a single-instance resource or a resource instance, which may be new.
    ///
    /// # Errors
    /// 4.00 if the value does not fit, 4.04 for an unknown resource.
    fn write(&mut self, path: Path, value: Value<'_>) -> Result<(), Failure>;

    /// Makes a multiple-instance resource exist without instances.
    ///
    /// # Errors
    /// 4.04 for an unknown resource, 4.00 for a single-instance one.
    fn write_empty(&mut self, instance: u16, resource: u16) -> Result<(), Failure> {
        let _ = (instance, resource);
        Ok(())
    }

    /// Executes a resource with its arguments in text form (TS-Core §6.3.4).
    fn execute(&mut self, path: Path, arguments: &[u8], ticket: Ticket) -> Outcome;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_reads_its_arguments_or_says_what_is_wrong_with_them() {
        let path = Path::resource(3, 2, 4);
        let call = Call::new(path, b"0='now'", Ticket(1));
        assert_eq!(call.instance(), 2);
        assert_eq!(call.parse().unwrap().find(0), Some(Some("now")));
        let failure = Call::new(path, b"now", Ticket(1)).parse().unwrap_err();
        assert_eq!((failure.code, failure.path), (Code::BAD_REQUEST, path));
        assert!(matches!(call.not_allowed(), Outcome::Fail(failure)
            if failure.code == Code::METHOD_NOT_ALLOWED));
    }
}
