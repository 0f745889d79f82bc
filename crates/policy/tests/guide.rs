//! The messages that the guide to policies shows for the extension are those of the protocol.
//! The rest of the guide is tested with the command line.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

use policy::extension::{Answer, question};
use policy::{Call, Extended};
use serde_json::Value;

const GUIDE: &str = include_str!("../../../docs/policy.md");

#[test]
fn every_message_of_the_guide_is_one() {
    let messages: Vec<&str> = GUIDE
        .split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().trim())
        .collect();
    let [asked, answered] = messages.as_slice() else { panic!("{messages:?}") };
    let shown: Value = serde_json::from_str(asked).unwrap();
    let text = |name: &str| shown["call"][name].as_str().unwrap();
    let roles: Vec<String> = serde_json::from_value(shown["call"]["roles"].clone()).unwrap();
    let call = Call {
        tool: text("tool"),
        principal: text("principal"),
        roles: &roles,
        tags: &[],
        mode: None,
        state: None,
        args: &shown["call"]["args"],
    };
    assert_eq!(question(7, &call).unwrap().split_off(4), asked.as_bytes());
    let mut frame = u32::try_from(answered.len()).unwrap().to_be_bytes().to_vec();
    frame.extend(answered.bytes());
    let read = Answer::to(7).take(&frame).unwrap();
    assert_eq!(read, Some(Extended::RequireReview(Some("a push leaves this machine".into()))));
    assert!(Answer::to(8).take(&frame).is_err(), "the control: another question");
}
