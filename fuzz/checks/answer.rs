//! Any bytes as the answer of a policy extension: the same whether they come at once or in pieces, and never a yes to
//! another question.
//! The seeds are replayed by the tests of the crate.

use policy::extension::{Answer, Extended};

pub(crate) fn check(data: &[u8]) {
    let whole = Answer::to(7).take(data);
    let mut pieces = Answer::to(7);
    let mut last = Ok(None);
    for piece in data.chunks(1 + data.len() / 3) {
        // Whatever comes after a complete answer or a fault means nothing.
        if !matches!(last, Ok(None)) {
            break;
        }
        last = pieces.take(piece);
    }
    if let Ok(Some(answer)) = &whole {
        assert_eq!(last.as_ref(), Ok(&Some(answer.clone())), "pieces are read otherwise");
        assert!(!matches!(answer, Extended::Failed(_)), "an answer is no fault");
        assert_ne!(Answer::to(8).take(data), whole, "it answers another question too");
    }
    if whole == Ok(None) {
        assert_eq!(last, Ok(None), "pieces end before the whole");
    }
}
