// A server asked by name and by address, and a request to the proxy in the words of a proxy.
const http = require("http");
const get = (options) =>
  new Promise((done, failed) => {
    http.get(options, (reply) => {
      let text = "";
      reply.on("data", (part) => (text += part));
      reply.on("end", () => done(text));
    }).on("error", failed);
  });
const server = http.createServer((_, reply) => reply.end("own server\n"));
server.listen(0, "localhost", async () => {
  const { port } = server.address();
  process.stdout.write(await (await fetch(`http://localhost:${port}/`)).text());
  process.stdout.write(await get({ host: "localhost", port }));
  const proxy = new URL(process.env.http_proxy);
  const path = "http://example.com/last";
  process.stdout.write(await get({ host: proxy.hostname, port: proxy.port, path }));
  server.close();
});
