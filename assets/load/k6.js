// Load test of @@title@@
//
//   k6 run @@file@@
//
// Written by api_load_tester --export k6; yours to change from here on.@@secrets@@
import { check } from 'k6';
import http from 'k6/http';@@imports@@

// Requests and how often each is chosen.
const requests = @@requests@@;
@@rows@@
export const options = @@options@@;

http.setResponseCallback(http.expectedStatuses(@@expected@@));
@@functions@@
export default function () {
  const request = @@choice@@;
  const answer = http.request(request.method, request.url, request.body, {
    headers: request.headers,
    timeout: @@timeout@@,
    redirects: @@redirects@@,
    tags: { name: request.name },
  });
  check(answer, { @@check@@ });
}
