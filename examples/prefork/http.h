/*
 * http.h - as much of HTTP/1.1 as one GET takes; each connection carries one request
 */
#ifndef HTTP_H
#define HTTP_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_HEAD_MAX = 8192 };

struct http_request {
	bool head; /* HEAD: like GET, but the body stays here */
	char *path;
	char *query; /* what follows the '?'; or empty */
	char bytes[HTTP_HEAD_MAX + 1];
};

/* Gives 0, the status of the error to answer with, or -1 when the client has gone.  fd does not block. */
int http_receive(int fd, struct http_request *request);

/* Sends what the client takes within some seconds, and ends the connection but for its descriptor. */
void http_respond(int fd, const struct http_request *request, int status, const void *body, size_t size);

#endif
