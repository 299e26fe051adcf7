package dial

import "testing"

func TestMetadataServicesAreOutOfReach(t *testing.T) {
	for address, allowed := range map[string]bool{
		"169.254.169.254:80": false, "[::ffff:169.254.169.254]:80": false, "[fe80::1%eth0]:80": false, "[fd00:ec2::254]:80": false,
		"100.100.100.200:80": false, "168.63.129.16:80": false, "0.0.0.0:80": false, "[::]:80": false, "224.0.0.1:80": false, "[ff02::1]:80": false,
		"host.example:80": false, "127.0.0.1": false,
		"127.0.0.1:80": true, "[::1]:443": true, "10.1.2.3:443": true, "192.168.1.1:443": true, "140.82.121.6:443": true, "[2606:50c0::1]:443": true,
	} {
		if err := Elsewhere("tcp", address, nil); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
}
