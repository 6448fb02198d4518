//! The contract's state: typed fields over the runtime's map from bytes to bytes.
//!
//! A field reads and writes only the keys that are used, so a map with a million entries costs a call no more than one
//! with a single entry. Values are encoded with [Borsh](https://borsh.io), which gives each value exactly one encoding.
//! Keys: a [`Value`] lies under its field's name; an entry of a [`Map`] or [`List`] under the name, a zero byte and the
//! encoded key; a field of a nested struct under what the struct lies under, a zero byte and the field's name. Renaming a
//! field therefore leaves its old content behind.
//!
//! The sequence is called `List` because `Vec` is what contracts take as arguments and keep in memory.

use crate::failure::fail_about;
use crate::host;
use alloc::borrow::Cow;
use alloc::vec::Vec;
use borsh::{BorshDeserialize, BorshSerialize};
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// What a field of the state, or a key of a map, can hold.
///
/// Implemented for everything that has Borsh's encoding. Write [`#[enigma_sdk::data]`](crate::data) on a struct of your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept in a contract's state",
    note = "write an integer, bool, U256, Address, String, Bytes, FixedBytes<N>, a Vec, Option or tuple of these, or a struct of these with `#[enigma_sdk::data]`"
)]
pub trait Stored: BorshSerialize + BorshDeserialize {}

// So that the message above is told, and not that about Borsh.
#[diagnostic::do_not_recommend]
impl<T: BorshSerialize + BorshDeserialize> Stored for T {}

/// A field of a struct with `#[enigma_sdk::state]`, or such a struct.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a field of a contract's state",
    label = "wrap this type",
    note = "write `Value<{Self}>` for a single value, `Map<K, {Self}>` for one value per key, `List<{Self}>` for a sequence"
)]
pub trait Field {
    /// The field at this place.
    fn from_place(place: Place) -> Self;
}

/// Where a field lies in the state.
#[derive(Clone)]
pub struct Place(Cow<'static, [u8]>);

impl Place {
    /// The place of a field of the contract.
    pub const fn of(name: &'static str) -> Place {
        Place(Cow::Borrowed(name.as_bytes()))
    }

    /// The place of a field of a struct that lies here.
    pub fn field(&self, name: &'static str) -> Place {
        Place(Cow::Owned([&self.0[..], &[0], name.as_bytes()].concat()))
    }

    fn entry<K: BorshSerialize>(&self, key: &K) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() + 40);
        bytes.extend_from_slice(&self.0);
        bytes.push(0);
        encode(key, &mut bytes);
        bytes
    }

    fn nested<K: BorshSerialize>(&self, key: &K) -> Place {
        Place(Cow::Owned(self.entry(key)))
    }

    /// The name of the outermost field.
    fn name(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    fn no_element(&self) -> ! {
        fail_about(self.name(), b"has no such element")
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&crate::Bytes(self.0.to_vec()), f)
    }
}

/// A field inside a [`Map`] or [`List`], to read.
#[derive(Debug)]
pub struct Entry<'a, F> {
    field: F,
    outer: PhantomData<&'a ()>,
}

/// A field inside a [`Map`] or [`List`], to read and change.
#[derive(Debug)]
pub struct EntryMut<'a, F> {
    field: F,
    outer: PhantomData<&'a mut ()>,
}

impl<F> Deref for Entry<'_, F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.field
    }
}

impl<F> Deref for EntryMut<'_, F> {
    type Target = F;

    fn deref(&self) -> &F {
        &self.field
    }
}

impl<F> DerefMut for EntryMut<'_, F> {
    fn deref_mut(&mut self) -> &mut F {
        &mut self.field
    }
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
    place: Place,
    holds: PhantomData<fn() -> T>,
}

impl<T: Stored> Field for Value<T> {
    fn from_place(place: Place) -> Self {
        Value { place, holds: PhantomData }
    }
}

impl<T: Stored> Value<T> {
    /// The value, if one was set.
    pub fn get(&self) -> Option<T> {
        read(&self.place, &self.place.0)
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
        host::state_contains(&self.place.0)
    }

    /// Sets the value.
    pub fn set(&mut self, value: T) {
        write(&self.place.0, &value);
    }

    /// Removes the value.
    pub fn remove(&mut self) {
        host::state_remove(&self.place.0);
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
    place: Place,
    holds: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Field for Map<K, V> {
    fn from_place(place: Place) -> Self {
        Map { place, holds: PhantomData }
    }
}

impl<K: Stored, V: Stored> Map<K, V> {
    /// The value of a key, if one was set.
    pub fn get(&self, key: &K) -> Option<V> {
        read(&self.place, &self.place.entry(key))
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
        host::state_contains(&self.place.entry(key))
    }

    /// Sets the value of a key.
    pub fn set(&mut self, key: &K, value: V) {
        write(&self.place.entry(key), &value);
    }

    /// Removes a key and its value.
    pub fn remove(&mut self, key: &K) {
        host::state_remove(&self.place.entry(key));
    }
}

/// Fields under keys: a map of maps, of lists, or of structs with `#[enigma_sdk::state]`.
///
/// ```
/// # use enigma_sdk::prelude::*;
/// #[enigma_sdk::state]
/// struct Poll { question: Value<String>, votes: Map<Address, bool>, voters: List<Address> }
/// #[enigma_sdk::state]
/// struct Polls { polls: Map<U256, Poll>, seen: Map<Address, Map<U256, bool>> }
///
/// let mut polls = Polls::default();
/// let (id, voter) = (U256::from(7), Address([1; 20]));
/// let mut poll = polls.polls.at_mut(&id);
/// poll.votes.set(&voter, true);
/// poll.voters.push(voter);
/// polls.seen.at_mut(&voter).set(&id, true);
/// assert_eq!(polls.polls.at(&id).voters.len(), 1);
/// assert_eq!(polls.seen.at(&voter).get(&id), Some(true));
/// ```
impl<K: Stored, F: Field> Map<K, F> {
    /// The field of a key, to read. Nothing is read before a function of the field is called.
    pub fn at(&self, key: &K) -> Entry<'_, F> {
        Entry { field: F::from_place(self.place.nested(key)), outer: PhantomData }
    }

    /// The field of a key, to read and change.
    pub fn at_mut(&mut self, key: &K) -> EntryMut<'_, F> {
        EntryMut { field: F::from_place(self.place.nested(key)), outer: PhantomData }
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
    place: Place,
    holds: PhantomData<fn() -> T>,
}

impl<T> Field for List<T> {
    fn from_place(place: Place) -> Self {
        List { place, holds: PhantomData }
    }
}

impl<T: Stored> List<T> {
    /// How many elements there are.
    pub fn len(&self) -> u32 {
        read(&self.place, &self.place.0).unwrap_or_default()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at an index, counted from 0.
    pub fn get(&self, index: u32) -> Option<T> {
        read(&self.place, &self.place.entry(&index))
    }

    /// Replaces the element at an index.
    ///
    /// # Panics
    /// If there is no element at the index.
    pub fn set(&mut self, index: u32, element: T) {
        if index >= self.len() {
            self.place.no_element();
        }
        write(&self.place.entry(&index), &element);
    }

    /// Appends an element.
    pub fn push(&mut self, element: T) {
        let length = self.len();
        write(&self.place.entry(&length), &element);
        write(&self.place.0, &(length + 1));
    }

    /// Removes and returns the last element.
    pub fn pop(&mut self) -> Option<T> {
        let last = self.len().checked_sub(1)?;
        let element = self.get(last);
        host::state_remove(&self.place.entry(&last));
        write(&self.place.0, &last);
        element
    }

    /// The elements in order, each read when it is asked for.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = T> + '_ {
        (0..self.len()).filter_map(|index| self.get(index))
    }
}

/// A sequence of fields, such as structs with `#[enigma_sdk::state]`, which grows only.
///
/// ```
/// # use enigma_sdk::prelude::*;
/// #[enigma_sdk::state]
/// struct Round { bids: Map<Address, U256> }
/// #[enigma_sdk::state]
/// struct Auction { rounds: List<Round> }
///
/// let mut auction = Auction::default();
/// auction.rounds.grow().bids.set(&Address([1; 20]), U256::from(5));
/// assert_eq!(auction.rounds.count(), 1);
/// assert_eq!(auction.rounds.at(0).bids.get(&Address([1; 20])), Some(U256::from(5)));
/// ```
impl<F: Field> List<F> {
    /// How many fields there are.
    pub fn count(&self) -> u32 {
        read(&self.place, &self.place.0).unwrap_or_default()
    }

    /// The field at an index, counted from 0, to read.
    ///
    /// # Panics
    /// If there is no field at the index.
    pub fn at(&self, index: u32) -> Entry<'_, F> {
        Entry { field: self.nested(index), outer: PhantomData }
    }

    /// The field at an index, to read and change.
    ///
    /// # Panics
    /// If there is no field at the index.
    pub fn at_mut(&mut self, index: u32) -> EntryMut<'_, F> {
        EntryMut { field: self.nested(index), outer: PhantomData }
    }

    /// Appends a field, in which nothing is set.
    pub fn grow(&mut self) -> EntryMut<'_, F> {
        let count = self.count();
        write(&self.place.0, &(count + 1));
        EntryMut { field: F::from_place(self.place.nested(&count)), outer: PhantomData }
    }

    fn nested(&self, index: u32) -> F {
        if index >= self.count() {
            self.place.no_element();
        }
        F::from_place(self.place.nested(&index))
    }
}

macro_rules! debug_by_name {
    ($($field:ident<$($parameter:ident),*>)*) => { $(
        impl<$($parameter),*> fmt::Debug for $field<$($parameter),*> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($field)).field(&self.place).finish()
            }
        }
    )* };
}

debug_by_name!(Value<T> Map<K, V> List<T>);

fn read<T: BorshDeserialize>(place: &Place, key: &[u8]) -> Option<T> {
    let bytes = host::state_get(key)?;
    match T::try_from_slice(&bytes) {
        Ok(value) => Some(value),
        Err(_) => fail_about(place.name(), b"holds a value of another type"),
    }
}

fn write<T: BorshSerialize>(key: &[u8], value: &T) {
    let mut bytes = Vec::new();
    encode(value, &mut bytes);
    host::state_set(key, &bytes);
}

fn encode<T: BorshSerialize>(value: &T, out: &mut Vec<u8>) {
    if value.serialize(out).is_err() {
        host::fail(b"a value cannot be encoded");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::U256;
    use alloc::string::String;

    #[test]
    fn fields_do_not_collide() {
        let mut value = Value::<u8>::from_place(Place::of("a"));
        let mut map = Map::<String, u8>::from_place(Place::of("ab"));
        let mut list = List::<u8>::from_place(Place::of("abc"));
        value.set(1);
        map.set(&String::from("c"), 2);
        list.push(3);
        assert_eq!(value.get(), Some(1));
        assert_eq!(map.get(&String::from("c")), Some(2));
        assert_eq!(map.get(&String::new()), None);
        assert_eq!(list.get(0), Some(3));
        assert!(!Value::<u8>::from_place(Place::of("ab")).is_set());
        value.remove();
        map.remove(&String::from("c"));
        assert!(!value.is_set());
        assert!(!map.contains(&String::from("c")));
    }

    #[test]
    fn keys_and_values_are_stable() {
        Map::<(u32, String), U256>::from_place(Place::of("owed")).set(&(7, String::from("x")), U256::from(258));
        let mut value = [0; 32];
        value[30..].copy_from_slice(&[1, 2]);
        assert_eq!(host::state_get(b"owed\0\x07\0\0\0\x01\0\0\0x"), Some(value.to_vec()));
    }

    #[test]
    fn nested_fields_are_apart() {
        let mut outer = Map::<String, Map<String, u8>>::from_place(Place::of("m"));
        let text = String::from;
        outer.at_mut(&text("a")).set(&text("bc"), 1);
        outer.at_mut(&text("ab")).set(&text("c"), 2);
        assert_eq!(outer.at(&text("a")).get(&text("bc")), Some(1));
        assert_eq!(outer.at(&text("ab")).get(&text("c")), Some(2));
        assert_eq!(outer.at(&text("abc")).get(&text("")), None);
        assert_eq!(host::state_get(b"m\0\x01\0\0\0a\0\x02\0\0\0bc"), Some(alloc::vec![1]));

        let mut lists = Map::<u8, List<u8>>::from_place(Place::of("l"));
        lists.at_mut(&1).push(7);
        lists.at_mut(&2).push(8);
        assert!(lists.at(&1).iter().eq([7]));
        let values = Map::<u8, Value<u8>>::from_place(Place::of("v"));
        assert!(!values.at(&1).is_set());
    }

    #[test]
    fn lists_grow_and_shrink() {
        let mut list = List::<u64>::from_place(Place::of("numbers"));
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
        Value::<u8>::from_place(Place::of("count")).set(1);
        Value::<u64>::from_place(Place::of("count")).get();
    }
}
