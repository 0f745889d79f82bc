use policy::document::Source;
use policy::*;
use serde_json::json;
use std::fmt::Write;
use std::time::Instant;
fn main() {
    let tools:Vec<Tool>=(0..50).map(|i| Tool{name:format!("tool{i:02}.act"),effect:Effect::Write,tags:vec![],schema:json!({"type":"object","additionalProperties":false,"properties":{"path":{"type":"string"},"timeout":{"type":"string"},"env":{"type":"string"}}}),paths:vec!["path".into()],hosts:vec![]}).collect();
    let cat = Catalogue::new(tools).unwrap();
    for wild in [false, true] {
        for n in [0, 10, 100, 1000, 10000] {
            let mut t = String::from("version: 1\nrules:\n");
            for i in 0..n {
                let tool = if wild && i % 100 == 0 {
                    "\"*\"".to_string()
                } else {
                    format!("tool{:02}.act", i % 50)
                };
                let act = ["allow", "deny", "require_review", "allow"][i % 4];
                writeln!(t,"  - name: r{i}\n    match: {{ tool: {tool}, principal: \"planner-{}-*\", role: [agent, r{}], path_glob: [\"src/m{i}/**\", \"docs/*/x{i}.md\"], args: {{ timeout: \"<= {}s\", env: [e{}, prod] }} }}\n    action: {act}\n    except: [{{ path_glob: [\"src/m{i}/private/**\"] }}]", i%7, i%5, i%60+1, i%9).unwrap();
            }
            let src = Source::new("p", t);
            let s = Instant::now();
            let l = match Policy::load(&src, &cat) {
                Ok(l) => l,
                Err(e) => {
                    println!("{:?}", &e[..1]);
                    return;
                }
            };
            let load = s.elapsed();
            let s = Instant::now();
            let _ = policy::document::read_within(
                &src,
                policy::document::Limits { text_bytes: 99999999, depth: 64, nodes: 9999999 },
            )
            .unwrap();
            let yaml = s.elapsed();
            let roles = vec!["agent".to_string()];
            let tags = vec![];
            let args: Vec<_> = [
                format!("src/m{}/a/b.rs", if n == 0 { 0 } else { 700 % n }),
                "docs/z/none.md".into(),
                "src/m3/private/x".into(),
            ]
            .iter()
            .map(|p| json!({"path":p,"timeout":"5s","env":"prod"}))
            .collect();
            let mut v = vec![];
            for k in 0..20000usize {
                let tool = format!("tool{:02}.act", if k % 2 == 0 { 0 } else { k % 50 });
                let c = Call {
                    tool: &tool,
                    principal: "planner-0-7",
                    roles: &roles,
                    tags: &tags,
                    mode: None,
                    state: None,
                    args: &args[k % 3],
                };
                let s = Instant::now();
                let d = std::hint::black_box(l.policy.decide(std::hint::black_box(&c)));
                let e = s.elapsed().as_nanos();
                drop(d);
                if k > 2000 {
                    v.push(e);
                }
            }
            v.sort();
            println!(
                "wild={wild} rules={n} text={}K load={load:?} yaml={yaml:?} warnings={} p50={}ns p99={}ns",
                src.text.len() / 1024,
                l.warnings.len(),
                v[v.len() / 2],
                v[v.len() * 99 / 100]
            );
        }
    }
}
