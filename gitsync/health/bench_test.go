package health

import "testing"

// BenchmarkAssess shows what a verdict costs by the three ways to give one.
func BenchmarkAssess(b *testing.B) {
	checks := New(Custom{Lua: map[string]string{"example.com/Scripted": `
hs = {status = "Progressing"}
for i, c in ipairs(obj.status.conditions) do
  if c.type == "Ready" and c.status == "True" then hs.status = "Healthy" hs.message = c.message end
end
return hs`}})
	for _, kind := range []string{"apps/v1\nkind: Deployment", "cert-manager.io/v1\nkind: Certificate", "example.com/v1\nkind: Scripted"} {
		b.Run(kind[len(kind)-8:], func(b *testing.B) {
			o := read(b, "apiVersion: "+kind+"\nmetadata: {name: a}\nspec: {replicas: 1}\nstatus: {conditions: [{type: Ready, status: \"True\", message: fine}]}")
			for b.Loop() {
				checks.Assess(o, now)
			}
		})
	}
}
