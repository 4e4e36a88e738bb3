/* socket_bytes.c - see socket_bytes.h. */
#include "transport/libpq/socket_bytes.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

uint64_t socket_bytes_read(int fd)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    int waiting = 0;
    memset(&info, 0, sizeof info);
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
        ioctl(fd, SIOCINQ, &waiting) != 0 || waiting < 0 ||
        (uint64_t)info.tcpi_bytes_received < (uint64_t)waiting)
        return 0;
    return (uint64_t)info.tcpi_bytes_received - (uint64_t)waiting;
}
