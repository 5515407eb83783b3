package datadogsim

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const delegatedPath = "/api/v2/delegated-token"

// trust is the AWS identity that is mapped to a service account, with the secrets to compute its signatures. Datadog has
// no such secrets and asks STS instead.
type trust struct {
	orgUUID, accessKeyID, secretAccessKey, sessionToken, region string
}

// TrustAWS maps an AWS identity to a service account of an organization, so that its proofs are exchanged for tokens. An
// empty organization removes the mapping.
func (s *Simulator) TrustAWS(orgUUID, accessKeyID, secretAccessKey, sessionToken, region string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trusted = trust{orgUUID, accessKeyID, secretAccessKey, sessionToken, region}
}

// IssueTokens sets the prefix of the tokens that proofs are exchanged for, and their life. The default is 15 minutes. With
// a life of 0 they live 15 minutes too, and the answer does not say when they expire.
func (s *Simulator) IssueTokens(prefix string, life time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenPrefix, s.tokenLife = prefix, life
}

// RevokeTokens revokes all tokens that proofs have been exchanged for.
func (s *Simulator) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.issued)
}

// delegate exchanges a proof for a token.
func (s *Simulator) delegate(c call) Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	proof, ok := strings.CutPrefix(c.request.Header.Get("Authorization"), "Delegated ")
	switch {
	case !ok, s.trusted.orgUUID == "":
		return refuse(http.StatusUnauthorized, "Unauthorized")
	case len(c.body) > 0 || c.request.Header.Get("Content-Type") != "application/json":
		return refuse(http.StatusBadRequest, "the body must be empty, and application/json")
	}
	if err := s.trusted.check(proof, time.Now()); err != nil {
		return refuse(http.StatusForbidden, err.Error())
	}
	life := s.tokenLife
	if life == 0 {
		life = 15 * time.Minute
	}
	s.tokensMade++
	token, ends := fmt.Sprintf("%s-%d", s.tokenPrefix, s.tokensMade), time.Now().Add(life)
	s.issued[token] = ends
	attributes := map[string]string{"access_token": token}
	if s.tokenLife != 0 {
		attributes["expires"] = strconv.FormatInt(ends.Unix(), 10)
	}
	return succeed(map[string]any{"data": map[string]any{"type": "delegated_token", "attributes": attributes}})
}

const (
	identityCall = "Action=GetCallerIdentity&Version=2011-06-15"
	formType     = "application/x-www-form-urlencoded; charset=utf-8"
	amzTime      = "20060102T150405Z"
)

// signedHeaders are the headers that a proof must sign, in the order of a signature.
var signedHeaders = []string{"content-length", "content-type", "host", "x-amz-date", "x-amz-security-token", "x-ddog-org-id"}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/sts/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})$`)

// check returns what is wrong with a proof.
func (t trust) check(proof string, now time.Time) error {
	parts := strings.Split(proof, "|")
	if len(parts) != 4 || parts[2] != http.MethodPost {
		return errors.New("the proof is not body|headers|POST|url")
	}
	var decoded [4]string
	for _, i := range []int{0, 1, 3} {
		text, err := base64.StdEncoding.DecodeString(parts[i])
		if err != nil {
			return errors.New("the proof is not base64")
		}
		decoded[i] = string(text)
	}
	var header map[string][]string
	if decoded[0] != identityCall || json.Unmarshal([]byte(decoded[1]), &header) != nil {
		return errors.New("the proof is not about GetCallerIdentity")
	}
	host := strings.TrimPrefix(decoded[3], "https://")
	if host != t.host() || decoded[3] == host {
		return errors.New("the proof is not for the STS of its region")
	}
	values := map[string]string{}
	for name, value := range header {
		if len(value) != 1 {
			return errors.New("a header of the proof has not one value")
		}
		values[strings.ToLower(name)] = value[0]
	}
	signedAt, err := time.Parse(amzTime, values["x-amz-date"])
	switch {
	case values["x-ddog-org-id"] != t.orgUUID || len(header["x-ddog-org-id"]) == 0:
		return errors.New("no such organization")
	case values["host"] != host, values["content-type"] != formType, values["content-length"] != strconv.Itoa(len(identityCall)):
		return errors.New("the proof's headers are not those of its call")
	case values["x-amz-security-token"] != t.sessionToken:
		return fmt.Errorf("the session token %s is not valid", values["x-amz-security-token"]) // quoted, as a careless server may do
	case err != nil, now.Sub(signedAt).Abs() > 5*time.Minute:
		return errors.New("the proof is not of now")
	}
	return t.checkSignature(values, signedAt)
}

// checkSignature computes the signature and compares it with the proof's.
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
func (t trust) checkSignature(values map[string]string, at time.Time) error {
	found := authorization.FindStringSubmatch(values["authorization"])
	if found == nil || !slices.Equal(strings.Split(found[4], ";"), signedHeaders) {
		return errors.New("the proof does not sign what it should")
	}
	day := at.Format("20060102")
	if found[1] != t.accessKeyID || found[2] != day || found[3] != t.signingRegion() {
		return errors.New("the proof is signed by somebody else, or for another day or region")
	}
	if t.signature(values, at) != found[5] {
		return errors.New("the proof's signature is not valid")
	}
	return nil
}

func (t trust) signature(values map[string]string, at time.Time) string {
	day := at.Format("20060102")
	var canonical strings.Builder
	canonical.WriteString("POST\n/\n\n")
	for _, name := range signedHeaders {
		canonical.WriteString(name + ":" + values[name] + "\n")
	}
	canonical.WriteString("\n" + strings.Join(signedHeaders, ";") + "\n" + hash(identityCall))
	toSign := strings.Join([]string{
		"AWS4-HMAC-SHA256", at.Format(amzTime), day + "/" + t.signingRegion() + "/sts/aws4_request", hash(canonical.String()),
	}, "\n")
	key := []byte("AWS4" + t.secretAccessKey)
	for _, part := range []string{day, t.signingRegion(), "sts", "aws4_request", toSign} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	return hex.EncodeToString(key)
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (t trust) signingRegion() string {
	if t.region == "" {
		return "us-east-1"
	}
	return t.region
}

func (t trust) host() string {
	switch {
	case t.region == "":
		return "sts.amazonaws.com"
	case strings.HasPrefix(t.region, "cn-"):
		return "sts." + t.region + ".amazonaws.com.cn"
	default:
		return "sts." + t.region + ".amazonaws.com"
	}
}
