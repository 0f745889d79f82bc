use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let spec = sandbox::Spec::new(std::env::current_dir().unwrap(), args);
    if let Ok(n) = std::env::var("N") {
        let n: usize = n.parse().unwrap();
        let mut t = Vec::new(); let mut l = Vec::new();
        for _ in 0..n {
            let s = Instant::now();
            let c = sandbox::launch(&spec).unwrap();
            l.push(s.elapsed().as_micros());
            let o = c.wait(&mut |_, _| {});
            assert_eq!(o.end, sandbox::End::Exited(0));
            t.push(s.elapsed().as_micros());
        }
        t.sort(); l.sort();
        println!("launch p50 {} p99 {} total p10 {} p50 {} p99 {}", l[n/2], l[n*99/100], t[n/10], t[n/2], t[n*99/100]);
        return;
    }
    match sandbox::launch(&spec) {
        Err(e) => { println!("{e} {:?} fix {:?}", std::error::Error::source(&e), e.fix()); }
        Ok(c) => {
            let o = c.wait(&mut |_, b| print!("{}", String::from_utf8_lossy(b)));
            println!("{:?} {:?} {:?} {:?}", o.end, o.usage, o.blocked, o.changes);
            if std::env::var("R").is_ok() { println!("{}", serde_json::to_string_pretty(&o.receipt).unwrap()); }
        }
    }
}
