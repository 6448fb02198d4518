//! The contract's state: typed fields over the runtime's map from bytes to bytes.
//!
//! A field reads and writes only the keys that are used, so a map with a million entries costs a call no more than one
//! with a single entry. Values are encoded with [Borsh](https://borsh.io), which gives each value exactly one encoding.
//! Keys: a [`Value`] lies under its field's name; an entry of a [`Map`] or [`List`] under the name, a zero byte and the
//! encoded key. Renaming a field therefore leaves its old content behind.

use crate::failure::fail;
use crate::host;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::marker::PhantomData;

/// What a field of the state, or a key of a map, can hold.
///
/// Implemented for everything that has Borsh's encoding. For a struct of your own, add `borsh` with its feature `derive` to the
/// dependencies and derive `BorshSerialize` and `BorshDeserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a contract's state",
    note = "write an integer, bool, U256, Address, String, Bytes, FixedBytes<N>, a Vec, Option or tuple of these, or implement `borsh::BorshSerialize` and `borsh::BorshDeserialize`"
)]
pub trait Stored: BorshSerialize + BorshDeserialize {}

impl<T: BorshSerialize + BorshDeserialize> Stored for T {}

/// A field of a struct with `#[enigma_sdk::state]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a field of a contract's state",
    label = "wrap this type",
    note = "write `Value<{Self}>` for a single value, `Map<K, {Self}>` for one value per key, `List<{Self}>` for a sequence"
)]
pub trait Field {
    /// The field with this name.
    fn at(name: &'static str) -> Self;
}

/// A single value.
///
/// ```
/// # use enigma_sdk::prelude::*;
/// # #[enigma_sdk::state] struct Counter { count: Value<u64> }
/// let mut counter = Counter::default();
/// assert_eq!(counter.count.get(), None);
/// counter.count.set(7);
/// assert_eq!(counter.count.get_or_default(), 7);
/// ```
pub struct Value<T> {
    name: &'static str,
    holds: PhantomData<fn() -> T>,
}

impl<T: Stored> Field for Value<T> {
    fn at(name: &'static str) -> Self {
        Value { name, holds: PhantomData }
    }
}

impl<T: Stored> Value<T> {
    /// The value, if one was set.
    pub fn get(&self) -> Option<T> {
        read(self.name, self.name.as_bytes())
    }

    /// The value, or the type's default (0, empty) if none was set.
    pub fn get_or_default(&self) -> T
    where
        T: Default,
    {
        self.get().unwrap_or_default()
    }

    /// Whether a value was set.
    pub fn is_set(&self) -> bool {
        host::state_contains(self.name.as_bytes())
    }

    /// Sets the value.
    pub fn set(&mut self, value: T) {
        write(self.name.as_bytes(), &value);
    }

    /// Removes the value.
    pub fn remove(&mut self) {
        host::state_remove(self.name.as_bytes());
    }
}

/// A value for each key. It does not know its keys: to go through them, keep them in a [`List`].
///
/// ```
/// # use enigma_sdk::prelude::*;
/// # #[enigma_sdk::state] struct Token { allowances: Map<(Address, Address), U256> }
/// let mut token = Token::default();
/// let (owner, spender) = (Address([1; 20]), Address([2; 20]));
/// token.allowances.set(&(owner, spender), U256::from(5));
/// assert_eq!(token.allowances.get_or_default(&(owner, spender)), U256::from(5));
/// assert_eq!(token.allowances.get_or_default(&(spender, owner)), U256::ZERO);
/// ```
pub struct Map<K, V> {
    name: &'static str,
    holds: PhantomData<fn() -> (K, V)>,
}

impl<K: Stored, V: Stored> Field for Map<K, V> {
    fn at(name: &'static str) -> Self {
        Map { name, holds: PhantomData }
    }
}

impl<K: Stored, V: Stored> Map<K, V> {
    /// The value of a key, if one was set.
    pub fn get(&self, key: &K) -> Option<V> {
        read(self.name, &entry(self.name, key))
    }

    /// The value of a key, or the type's default (0, empty) if none was set.
    pub fn get_or_default(&self, key: &K) -> V
    where
        V: Default,
    {
        self.get(key).unwrap_or_default()
    }

    /// Whether the key has a value.
    pub fn contains(&self, key: &K) -> bool {
        host::state_contains(&entry(self.name, key))
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: &K, value: V) {
        write(&entry(self.name, key), &value);
    }

    /// Removes a key and its value.
    pub fn remove(&mut self, key: &K) {
        host::state_remove(&entry(self.name, key));
    }
}

/// A sequence that grows and shrinks at its end.
///
/// ```
/// # use enigma_sdk::prelude::*;
/// # #[enigma_sdk::state] struct Poll { voters: List<Address> }
/// let mut poll = Poll::default();
/// poll.voters.push(Address([1; 20]));
/// poll.voters.push(Address([2; 20]));
/// assert_eq!(poll.voters.len(), 2);
/// assert_eq!(poll.voters.iter().last(), Some(Address([2; 20])));
/// assert_eq!(poll.voters.pop(), Some(Address([2; 20])));
/// ```
pub struct List<T> {
    name: &'static str,
    holds: PhantomData<fn() -> T>,
}

impl<T: Stored> Field for List<T> {
    fn at(name: &'static str) -> Self {
        List { name, holds: PhantomData }
    }
}

impl<T: Stored> List<T> {
    /// How many elements there are.
    pub fn len(&self) -> u32 {
        read(self.name, self.name.as_bytes()).unwrap_or_default()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at an index, counted from 0.
    pub fn get(&self, index: u32) -> Option<T> {
        read(self.name, &entry(self.name, &index))
    }

    /// Replaces the element at an index.
    ///
    /// # Panics
    /// If there is no element at the index.
    pub fn set(&mut self, index: u32, element: T) {
        assert!(index < self.len(), "`{}` has no element {index}", self.name);
        write(&entry(self.name, &index), &element);
    }

    /// Appends an element.
    pub fn push(&mut self, element: T) {
        let length = self.len();
        write(&entry(self.name, &length), &element);
        write(self.name.as_bytes(), &(length + 1));
    }

    /// Removes and returns the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        let element = self.get(last);
        host::state_remove(&entry(self.name, &last));
        write(self.name.as_bytes(), &last);
        element
    }

    /// The elements in order, each read when it is asked for.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

macro_rules! debug_by_name {
    ($($field:ident<$($parameter:ident),*>)*) => { $(
        impl<$($parameter),*> fmt::Debug for $field<$($parameter),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($field)).field(&self.name).finish()
            }
        }
    )* };
}

debug_by_name!(Value<T> Map<K, V> List<T>);

fn entry<K: BorshSerialize>(name: &'static str, key: &K) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 40);
    bytes.extend_from_slice(name.as_bytes());
    bytes.push(0);
    encode(key, &mut bytes);
    bytes
}

fn read<T: BorshDeserialize>(name: &'static str, key: &[u8]) -> Option<T> {
    let bytes = host::state_get(key)?;
    match T::try_from_slice(&bytes) {
        Ok(value) => Some(value),
        Err(_) => fail(format_args!("`{name}` holds a value of another type")),
    }
}

fn write<T: BorshSerialize>(key: &[u8], value: &T) {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    host::state_set(key, &bytes);
}

fn encode<T: BorshSerialize>(value: &T, out: &mut Vec<u8>) {
    if value.serialize(out).is_err() {
        fail(format_args!("a value cannot be encoded"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::U256;
    use alloc::string::String;

    #[test]
    fn fields_do_not_collide() {
        let mut value = Value::<u8>::at("a");
        let mut map = Map::<String, u8>::at("ab");
        let mut list = List::<u8>::at("abc");
        value.set(1);
        map.set(&String::from("c"), 2);
        list.push(3);
        assert_eq!(value.get(), Some(1));
        assert_eq!(map.get(&String::from("c")), Some(2));
        assert_eq!(map.get(&String::new()), None);
        assert_eq!(list.get(0), Some(3));
        assert!(!Value::<u8>::at("ab").is_set());
        value.remove();
        map.remove(&String::from("c"));
        assert!(!value.is_set());
        assert!(!map.contains(&String::from("c")));
    }

    #[test]
    fn keys_and_values_are_stable() {
        Map::<(u32, String), U256>::at("owed").set(&(7, String::from("x")), U256::from(258));
        let mut value = [0; 32];
        value[30..].copy_from_slice(&[1, 2]);
        assert_eq!(host::state_get(b"owed\0\x07\0\0\0\x01\0\0\0x"), Some(value.to_vec()));
    }

    #[test]
    fn lists_grow_and_shrink() {
        let mut list = List::<u64>::at("numbers");
        assert_eq!(list.pop(), None);
        for number in 0..5 {
            list.push(number);
        }
        list.set(1, 10);
        assert_eq!(list.pop(), Some(4));
        assert!(list.iter().eq([0, 10, 2, 3]));
        assert_eq!(list.get(4), None);
    }

    #[test]
    #[should_panic(expected = "`count` holds a value of another type")]
    fn a_changed_type_is_noticed() {
        Value::<u8>::at("count").set(1);
        Value::<u64>::at("count").get();
    }
}
