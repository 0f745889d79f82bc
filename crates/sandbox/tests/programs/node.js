// Workers with shared memory, children of every kind, files, streams and a test run; prints `ok`.
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
const child = require('child_process'), fs = require('fs'), assert = require('assert');
const crypto = require('crypto'), { pipeline } = require('stream/promises'), zlib = require('zlib');

async function main() {
  const memory = new SharedArrayBuffer(4), cells = new Int32Array(memory);
  const workers = [1, 2, 3].map((n) => new Worker(__filename, { workerData: { memory, n } }));
  await Promise.all(workers.map((worker) => new Promise((done) => worker.on('exit', done))));
  assert.equal(cells[0], 6);
  assert.equal(child.execSync('echo x | tr x y').toString(), 'y\n');
  assert.equal(child.spawnSync('sh', ['-c', 'exit 4']).status, 4);
  const other = child.fork(__filename, ['child']);
  assert.equal(await new Promise((done) => other.on('message', done)), 'up');
  assert.equal(await new Promise((done) => other.on('exit', (code, signal) => done(signal ?? code))), 0);
  fs.writeFileSync('big', crypto.randomBytes(1 << 20));
  await pipeline(fs.createReadStream('big'), zlib.createGzip(), fs.createWriteStream('big.gz'));
  await new Promise((done) => { const watcher = fs.watch('.', () => { watcher.close(); done(); }); fs.writeFileSync('touched', ''); });
  await new Promise((done, fail) => crypto.pbkdf2('p', 's', 1000, 32, 'sha256', (e, k) => e ? fail(e) : done(k)));
  assert.equal(await WebAssembly.validate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])), true);
  fs.writeFileSync('it.test.js', "require('node:test')('works', () => {})");
  child.execFileSync(process.execPath, ['--test', 'it.test.js'], { stdio: 'pipe' });
  console.log('ok');
}

if (!isMainThread) Atomics.add(new Int32Array(workerData.memory), 0, workerData.n);
else if (process.argv[2] === 'child') process.send('up', () => process.disconnect());
else main().catch((error) => { console.error(error); process.exit(1); });
