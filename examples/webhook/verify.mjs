// Is a request one of Postrider's? Standard Webhooks, with Node alone.
//
//     verify(secrets, headers, body) -> true or false
//
// `secrets`: the lines of the secret file (one, or two while a secret is changed); `headers`: as Node gives them, with
// names in lower case; `body`: the octets as they came (a Buffer), before anybody has read them as JSON.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE = 5 * 60; // seconds: an older request is one that somebody sends once more

export function verify(secrets, headers, body, now = Date.now() / 1000) {
  const stamp = headers["webhook-timestamp"];
  if (!(Math.abs(now - Number(stamp)) <= TOLERANCE)) return false;
  const told = (headers["webhook-signature"] ?? "").split(" ").filter((part) => part.startsWith("v1,"));
  return secrets.some((secret) => {
    const hmac = createHmac("sha256", Buffer.from(secret.replace(/^whsec_/, ""), "base64"));
    const want = hmac.update(`${headers["webhook-id"]}.${stamp}.`).update(body).digest();
    return told.some((part) => {
      const one = Buffer.from(part.slice(3), "base64");
      return one.length === want.length && timingSafeEqual(one, want);
    });
  });
}
