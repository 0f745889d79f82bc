// Workers, children, Unix sockets and files of Node; prints `ok`.
const { Worker, isMainThread, parentPort } = require('worker_threads');
const { execFileSync, spawn } = require('child_process');
const assert = require('assert'), fs = require('fs'), net = require('net'), zlib = require('zlib');

async function main() {
  await new Promise((done) => new Worker(__filename).on('message', (m) => done(assert.equal(m, 1))));
  assert.equal(execFileSync('echo', ['x']).toString(), 'x\n');
  const cat = spawn('cat');
  cat.stdin.end('piped');
  for await (const chunk of cat.stdout) assert.equal(chunk.toString(), 'piped');
  await new Promise((done) => {
    const server = net.createServer((socket) => socket.end('hi')).listen('s', () => {
      net.connect('s').on('data', (data) => { assert.equal(data.toString(), 'hi'); server.close(done); });
    });
  });
  fs.mkdirSync('a/b', { recursive: true });
  await fs.promises.writeFile('a/f', 'x');
  fs.copyFileSync('a/f', 'a/g');
  fs.cpSync('a', 'c', { recursive: true });
  fs.watch('a').close();
  fs.rmSync('c', { recursive: true });
  assert.equal(zlib.gunzipSync(zlib.gzipSync('z')).toString(), 'z');
  const error = await new Promise((done) => net.connect(80, '127.0.0.1').on('error', done));
  assert.equal(error.code, 'EAFNOSUPPORT');
  console.log('ok');
}

if (isMainThread) main(); else parentPort.postMessage(1);
