//! Making and checking tickets, by secret and by key, and what a ticket adds to an admitted call.
//! The text is parsed anew each time: that is how a ticket comes in.

use std::hint::black_box;

use ::ticket::{
    Audience, Claims, Expected, For, Id, Key, Keyring, LIFE_TOOL, NodeKey, Secret, Signer, Ticket,
    Time, Uses, mint, verify,
};

use super::{BenchError, Measured, metric, note, sample};

/// Acts timed together: one is too short for the clock.
const BATCH: usize = 100;
/// Batches.
const BATCHES: usize = 2_000;
/// Batches of signatures by Ed25519, which take long enough.
const FEW: usize = 200;
const NOW: Time = Time(1_000_000_000);

pub(super) fn measure() -> Measured {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("tickets", error);
    let secret =
        Secret::new(b"a secret of this bench, 32 bytes or more").map_err(|error| failed(&error))?;
    let node = NodeKey::of_seed(&[7; 32]);
    let keys = vec![Key::Secret(secret.clone()), Key::Public(node.public())];
    let keyring = Keyring::new(keys).map_err(|error| failed(&error))?;
    let (by_secret, by_node) = (Signer::Secret(secret), Signer::Node(node));
    let made = |signer: &Signer| mint(claims(1), signer).map_err(|error| failed(&error));
    let (ticket, signed) = (made(&by_secret)?, made(&by_node)?);
    let check = |ticket: &Ticket| {
        verify(ticket, &keyring, &call(), NOW).map(drop).map_err(|error| failed(&error))
    };
    let check_text = |text: &str| {
        let ticket = Ticket::parse(text).map_err(|error| failed(&error))?;
        check(&ticket)
    };
    let (text, signed_text) = (ticket.text(), signed.text());
    let batch = |count, act: &mut dyn FnMut() -> Result<(), BenchError>| {
        sample::Sample::of(20, count, || (0..BATCH).try_for_each(|_| act()))
    };
    let minted = batch(BATCHES, &mut || made(&by_secret).map(|one| drop(black_box(one))))?;
    let checked = batch(BATCHES, &mut || check(black_box(&ticket)))?;
    let read = batch(BATCHES, &mut || check_text(black_box(&text)))?;
    let signed_read = batch(FEW, &mut || check_text(black_box(&signed_text)))?;
    let spent = spent(&by_secret, &keyring)?;
    let each = |sample: &sample::Sample, share| sample.percentile(share) / per_batch();
    let metrics = vec![
        metric("ticket_check_p50_us", each(&checked, 0.5), "us"),
        metric("ticket_check_p99_us", each(&checked, 0.99), "us"),
        metric("ticket_check_text_p50_us", each(&read, 0.5), "us"),
        metric("ticket_check_text_p99_us", each(&read, 0.99), "us"),
        metric("ticket_check_and_spend_p50_us", each(&spent, 0.5), "us"),
        metric("ticket_mint_p50_us", each(&minted, 0.5), "us"),
        metric("ticket_check_ed25519_p50_us", each(&signed_read, 0.5), "us"),
        metric("ticket_bytes", bytes(&text), "count"),
    ];
    let how = format!(
        "one tool, one path, digests of arguments and policy; two keys accepted; mean of {BATCH} a sample, {BATCHES} samples ({FEW} for Ed25519)"
    );
    Ok(("ticket", vec![note("ticket", how)], metrics))
}

/// Checking and spending tickets among as many that were spent.
fn spent(signer: &Signer, keyring: &Keyring) -> Result<sample::Sample, BenchError> {
    let failed = |error: &dyn std::fmt::Display| BenchError::new("spending tickets", error);
    let uses = Uses::new(BATCH * (BATCHES + 40));
    let mut nonce = 0;
    let mut sample = sample::Sample::default();
    for _ in 0..BATCHES {
        let mut tickets = Vec::with_capacity(BATCH);
        for _ in 0..BATCH {
            nonce += 1;
            tickets.push(mint(claims(nonce), signer).map_err(|error| failed(&error))?);
        }
        let (done, took) = sample::time(|| -> Result<(), BenchError> {
            for ticket in &tickets {
                let verified =
                    verify(ticket, keyring, &call(), NOW).map_err(|error| failed(&error))?;
                black_box(uses.redeem(&verified, NOW).map_err(|error| failed(&error))?);
            }
            Ok(())
        });
        done?;
        sample.add(took);
    }
    Ok(sample)
}

fn claims(nonce: u64) -> Claims<'static> {
    let mut id = [0; 16];
    id.iter_mut().zip(nonce.to_be_bytes()).for_each(|(slot, byte)| *slot = byte);
    Claims {
        id: Id(id),
        tenant: "default",
        project: None,
        principal: "user:bench",
        peer: None,
        audience: Audience::Tools(vec!["fs.read"]),
        arguments: Some([1; 32]),
        paths: Some(vec!["docs"]),
        hosts: None,
        scopes: Vec::new(),
        profile: None,
        policy: Some([2; 32]),
        not_before: NOW,
        expires: NOW.after(LIFE_TOOL),
        uses: 1,
        nonce,
        epoch: 0,
    }
}

fn call() -> Expected<'static> {
    Expected {
        what: For::Tool("fs.read"),
        tenant: "default",
        project: None,
        principal: "user:bench",
        peer: None,
        epoch: 0,
        arguments: Some([1; 32]),
        paths: &["docs/a.md"],
        hosts: &[],
        scopes: &[],
        profile: None,
        policy: Some([2; 32]),
    }
}

#[expect(clippy::cast_precision_loss, reason = "a small constant")]
fn per_batch() -> f64 {
    BATCH as f64
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred")]
fn bytes(text: &str) -> f64 {
    text.len() as f64
}
