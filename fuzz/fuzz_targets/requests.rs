//! A request of the control socket is written as what reads as itself, and so is the mail that it carries.
#![no_main]

use gatepost_core::{Octets, Query, Receipt, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn comes_back<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(json: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(json) {
        let written = serde_json::to_vec(&value).expect("what was read can be written");
        assert_eq!(serde_json::from_slice::<T>(&written).ok().as_ref(), Some(&value));
        let again = serde_json::from_slice::<T>(&written).expect("as before");
        assert_eq!(serde_json::to_vec(&again).ok(), Some(written));
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    comes_back::<Request>(data);
    comes_back::<Query>(data);
    comes_back::<Receipt>(data);
    let mail = Octets(data.to_vec());
    let json = serde_json::to_string(&mail).expect("octets are text");
    assert_eq!(serde_json::from_str::<Octets>(&json).ok(), Some(mail));
});
