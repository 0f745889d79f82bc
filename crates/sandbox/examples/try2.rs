use std::time::Instant;
fn main() {
    let spec = sandbox::Spec::new("/tmp/proj", ["/bin/true"]);
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let s = Instant::now();
        if let Some(cmd) = line.strip_prefix("c ") {
            let mut w = cmd.split(' ');
            std::process::Command::new(w.next().unwrap()).args(w).status().unwrap();
        } else {
            let o = sandbox::launch(&spec).unwrap().wait(&mut |_, _| {});
            assert_eq!(o.end, sandbox::End::Exited(0));
        }
        println!("{}", s.elapsed().as_micros());
    }
}
