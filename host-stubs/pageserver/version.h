/* version.h - what this program calls itself. */
#ifndef PAGESERVER_VERSION_H
#define PAGESERVER_VERSION_H

#define PAGESERVER_NAME    "pageserver"
#define PAGESERVER_VERSION "0.1.0"

/* The protocol's speakers expect PostgreSQL's number first. */
#define PAGESERVER_SERVER_VERSION "15.0 (zenith-sync " PAGESERVER_VERSION ")"

#endif
